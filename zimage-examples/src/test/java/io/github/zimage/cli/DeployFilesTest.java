package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The files that start a server elsewhere use options that there are, and its health check where it is. */
final class DeployFilesTest {
    private static final Path DEPLOY = Path.of("deploy");
    private static final Pattern COMMAND =
            Pattern.compile("(?m)^(?:command=|ExecStart=|ENTRYPOINT ).*\\bserve\\b(.*)$");
    private static final Pattern WORD = Pattern.compile("[^\\s\",\\[\\]]+");

    @ParameterizedTest
    @ValueSource(strings = {"zimage.service", "supervisor.conf", "Dockerfile", "Dockerfile.gpu"})
    void command_isUnderstood(String file) throws IOException {
        String text = Files.readString(DEPLOY.resolve(file));
        Matcher command = COMMAND.matcher(text);
        assertThat(command.find()).isTrue();
        List<String> arguments = new ArrayList<>(List.of("serve"));
        WORD.matcher(command.group(1)).results().forEach(word -> arguments.add(word.group()));
        PrintWriter nowhere = new PrintWriter(new StringWriter());
        assertThat(new Main()
                        .commandLine(nowhere, nowhere)
                        .parseArgs(arguments.toArray(String[]::new))
                        .subcommand()
                        .commandSpec()
                        .name())
                .isEqualTo("serve");
    }

    @ParameterizedTest
    @ValueSource(strings = {"zimage-health.service", "supervisor-health.conf", "Dockerfile", "Dockerfile.gpu"})
    void health_isAskedFor(String file) throws IOException {
        // Not whether it is ready: it is not while the pipeline is made anew, and must not be started again for that.
        assertThat(Files.readString(DEPLOY.resolve(file)))
                .contains("http://127.0.0.1:7860/health/live")
                .doesNotContain("CMD [\"curl\", \"-fsS\", \"http://127.0.0.1:7860/health/ready");
    }

    @Test
    void start_waitsUntilTheServerIsReady() throws IOException {
        assertThat(Files.readString(DEPLOY.resolve("zimage.service"))).contains("http://127.0.0.1:7860/health/ready");
    }
}
