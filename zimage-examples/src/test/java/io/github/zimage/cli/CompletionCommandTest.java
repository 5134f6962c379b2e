package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

final class CompletionCommandTest {
    @TempDir
    Path folder;

    // What is read into every shell must not fail there.
    @Test
    @EnabledOnOs(OS.LINUX)
    void bash_completesOptionsOfACommand() throws Exception {
        MainTest.Run run = MainTest.run("completion", "bash");
        assertThat(run.code()).isZero();
        Path script = Files.writeString(folder.resolve("zimage.bash"), run.out());
        String asked =
                "compopt() { :; }; source '%s'; COMP_WORDS=(zimage generate --guidance-m); COMP_CWORD=2; _complete_zimage; echo \"${COMPREPLY[*]}\""
                        .formatted(script);
        Process process = new ProcessBuilder("bash", "-c", asked)
                .redirectErrorStream(true)
                .start();
        String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(answer.strip()).isEqualTo("--guidance-method");
    }

    @Test
    void zsh_isThatOfBash_whichZshReads() {
        assertThat(MainTest.run("completion", "zsh").out()).contains("bashcompinit");
    }

    @Test
    void fish_namesAllCommandsAndTheirOptions() {
        List<String> lines = MainTest.run("completion", "fish").out().lines().toList();
        CommandLine root =
                new Main().commandLine(new PrintWriter(new StringWriter()), new PrintWriter(new StringWriter()));
        Set<String> commands = lines.stream()
                .filter(line -> line.contains(" -f -a "))
                .map(line -> line.replaceFirst(".* -f -a (\\S+) .*", "$1"))
                .collect(Collectors.toSet());
        assertThat(commands).containsAll(root.getSubcommands().keySet()).contains("lint");

        assertThat(lines).allMatch(line -> line.startsWith("complete -c zimage"));
        assertThat(lines)
                .anyMatch(line -> line.contains("seen_subcommand_from generate' -s s -l seed -x -d 'Seed of the first"))
                .anyMatch(line -> line.contains("generate' -l image -r -F"))
                .anyMatch(line -> line.contains("generate' -l lint -x -a 'off warn fix'"))
                .anyMatch(line -> line.contains("generate' -l preview -d "));
        // An apostrophe in a description must not end the quotes.
        assertThat(lines)
                .allMatch(line ->
                        line.replace("\\'", "").chars().filter(c -> c == '\'').count() % 2 == 0);
    }

    @Test
    void otherShells_areRefused() {
        assertThat(MainTest.run("completion", "csh").err())
                .startsWith("zimage: Invalid value for positional parameter");
    }
}
