package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the documentation has people paste compiles as it stands, with the dependencies beside it. */
final class GettingStartedTest {
    private static final Path PAGE = Path.of("..", "docs", "getting-started.md");
    private static final Pattern BLOCK = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL);
    private static final Pattern CLASS = Pattern.compile("public final class (\\w+)");

    @TempDir
    Path folder;

    @Test
    void javaBlocks_compile() throws IOException {
        Map<String, String> blocks = blocks();
        assertThat(blocks).containsOnlyKeys("Fox", "Snow");
        List<String> args = new ArrayList<>(
                List.of("-proc:none", "-d", folder.toString(), "-cp", System.getProperty("java.class.path")));
        for (Map.Entry<String, String> block : blocks.entrySet()) {
            assertThat(block.getValue()).contains("public static void main(String[] args)");
            args.add(Files.writeString(folder.resolve(block.getKey() + ".java"), block.getValue())
                    .toString());
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter errors = new StringWriter();
        boolean compiled = compiler.getTask(
                        errors,
                        null,
                        null,
                        args.subList(0, 5),
                        null,
                        compiler.getStandardFileManager(null, null, null)
                                .getJavaFileObjects(args.subList(5, args.size()).toArray(String[]::new)))
                .call();
        assertThat(compiled).as(errors.toString()).isTrue();
        assertThat(folder.resolve("Fox.class")).exists();
    }

    @Test
    void dependencies_areThoseThatTheBlockImports() throws IOException {
        assertThat(Files.readString(PAGE))
                .contains("<artifactId>zimage-core</artifactId>", "<artifactId>zimage-demo</artifactId>");
    }

    private static Map<String, String> blocks() throws IOException {
        Map<String, String> blocks = new TreeMap<>();
        Matcher block = BLOCK.matcher(Files.readString(PAGE));
        while (block.find()) {
            Matcher name = CLASS.matcher(block.group(1));
            assertThat(name.find()).isTrue();
            blocks.put(name.group(1), block.group(1));
        }
        return blocks;
    }
}
