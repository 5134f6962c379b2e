package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

final class OutputFileTest {
    @TempDir
    Path folder;

    private Path reserve(String name, int first) {
        return OutputFile.reserve(OutputFile.numbered(folder.resolve(name), first));
    }

    // A picture may have taken minutes, and its seed was random.
    @Test
    void reserve_takesTheFirstNameThatIsFree() throws IOException {
        assertThat(reserve("a.png", 0)).isEqualTo(folder.resolve("a.png"));
        assertThat(reserve("a.png", 0)).isEqualTo(folder.resolve("a-1.png"));
        Files.createDirectory(folder.resolve("a-2.png"));
        assertThat(reserve("a.png", 0)).isEqualTo(folder.resolve("a-3.png"));
        assertThat(reserve("b.png", 1)).isEqualTo(folder.resolve("b-1.png"));
        OutputFile.release(folder.resolve("a-1.png"));
        assertThat(reserve("a.png", 0)).isEqualTo(folder.resolve("a-1.png"));
    }

    // A link that leads nowhere yet would have something written elsewhere.
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void reserve_takesNoLink() throws IOException {
        Files.createSymbolicLink(folder.resolve("a.png"), folder.resolve("elsewhere"));
        assertThat(reserve("a.png", 0)).isEqualTo(folder.resolve("a-1.png"));
        assertThat(folder.resolve("elsewhere")).doesNotExist();
    }

    @Test
    void reserve_atOnce_givesEachANameOfItsOwn() {
        List<CompletableFuture<Path>> all = IntStream.range(0, 40)
                .mapToObj(i -> CompletableFuture.supplyAsync(() -> reserve("a.png", 0)))
                .toList();
        Stream<Path> names = all.stream().map(CompletableFuture::join);
        assertThat(names).doesNotHaveDuplicates().hasSize(40);
    }

    @Test
    void reserve_whereNothingCanBeWritten_isRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> reserve("missing/a.png", 0))
                .withMessageStartingWith("cannot write " + folder.resolve("missing/a.png"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> OutputFile.checkBeside(folder.resolve("missing/a.png")))
                .withMessageContaining("there is no folder");
    }
}
