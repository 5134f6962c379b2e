package io.github.zimage.internal.conversion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.io.PrivateFiles;
import io.github.zimage.internal.safetensors.Safetensors;
import io.github.zimage.internal.weights.WeightFiles;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects against weights that somebody else put into a cache, and against what is no file. */
@DisabledOnOs(OS.WINDOWS)
final class CacheTrustTest {
    private static final int NOBODY = 65534;

    @TempDir
    Path folder;

    private Path root;
    private WeightIndex weights;

    @BeforeEach
    void write() throws IOException {
        root = folder.resolve("cache");
        Path component = Files.createDirectory(folder.resolve("transformer"));
        Safetensors.pairs(component.resolve("model.safetensors"), "layers.0.attention.to_q.weight", "x_pad_token");
        weights = WeightFiles.open(component, "model", null);
    }

    private WeightIndex convert() throws IOException {
        return new WeightCache(root).convert(Component.TRANSFORMER, weights, Precision.BF16, false, done -> {});
    }

    private @Nullable WeightIndex find() throws IOException {
        return new WeightCache(root).find(Component.TRANSFORMER, weights, Precision.BF16, false);
    }

    private static String mode(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }

    private static void mode(Path path, String mode) throws IOException {
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
    }

    private static void giveAway(Path path) throws IOException {
        assumeTrue(Integer.valueOf(0).equals(Files.getAttribute(path, "unix:uid")), "only root can give files away");
        Files.setAttribute(path, "unix:uid", NOBODY);
    }

    private Path file() throws IOException {
        return convert().files().get(0);
    }

    @Test
    void whatIsWritten_isForItsOwnerOnly() throws IOException {
        Path file = file();
        Path entry = file.resolveSibling("");
        assertThat(mode(file)).isEqualTo("rw-------");
        assertThat(mode(FolderLock.file(entry))).isEqualTo("rw-------");
        assertThat(mode(entry)).isEqualTo("rwx------");
        assertThat(mode(root)).isEqualTo("rwx------");
        assertThat(find()).isNotNull();
    }

    @ParameterizedTest
    @ValueSource(strings = {"rwxrwxrwx", "rwx----w-", "rwxr-xrwx"})
    void cacheThatOthersMayWriteTo_isNotUsed(String mode) throws IOException {
        file();
        mode(root, mode);
        assertThat(find()).isNull();
        assertThatThrownBy(this::convert)
                .isInstanceOf(IOException.class)
                .hasMessageContaining("others may write to " + root.toRealPath())
                .hasMessageEndingWith(": name a folder of your own, or take others the right to write to it");
    }

    @Test
    void cacheOfSomebodyElse_isNotUsed() throws IOException {
        file();
        giveAway(root);
        assertThat(find()).isNull();
        assertThatThrownBy(this::convert).isInstanceOf(IOException.class).hasMessageContaining(" belongs to ");
    }

    // As /tmp is: each may write, and nobody may change what is another's.
    @Test
    void cacheInAFolderForAll_isUsedWhereItIsOurs() throws IOException {
        Files.createDirectory(root);
        Files.setAttribute(root, "unix:mode", 01777);
        Path entry = file().resolveSibling("");
        assertThat(find()).isNotNull();
        giveAway(entry);
        assertThat(find()).isNull();
        assertThatThrownBy(this::convert).isInstanceOf(IOException.class).hasMessageContaining(" belongs to ");
    }

    @Test
    void fileThatOthersMayWriteTo_isMadeAnew() throws IOException {
        Path file = file();
        byte[] sound = Files.readAllBytes(file);
        byte[] other = sound.clone();
        other[other.length - 10] ^= 1;
        Files.write(file, other);
        mode(file, "rw-rw-rw-");
        assertThat(find()).isNull();
        assertThat(file()).isEqualTo(file).hasBinaryContent(sound);
        assertThat(mode(file)).isEqualTo("rw-------");
    }

    @Test
    void fileOfSomebodyElse_isMadeAnew() throws IOException {
        Path file = file();
        giveAway(file);
        assertThat(find()).isNull();
        assertThat(file()).isEqualTo(file);
        assertThat(find()).isNotNull();
    }

    @Test
    void folderThatOthersMayWriteTo_isClosedAndMadeAnew() throws IOException {
        Path entry = file().resolveSibling("");
        mode(entry, "rwxrwxrwx");
        assertThat(find()).isNull();
        file();
        assertThat(mode(entry)).isEqualTo("rwx------");
        assertThat(find()).isNotNull();
    }

    @Test
    void linkInPlaceOfTheFile_isNotFollowed() throws IOException {
        Path file = file();
        Path elsewhere = folder.resolve("elsewhere");
        Files.move(file, elsewhere);
        Files.createSymbolicLink(file, elsewhere);
        assertThat(find()).isNull();
    }

    // Opening a pipe waits for whoever opens its other end.
    @ParameterizedTest
    @ValueSource(strings = {"lock", "weights.safetensors"})
    void pipeInPlaceOfAFile_isRefusedAtOnce(String name) throws Exception {
        Path entry = file().resolveSibling("");
        Path pipe = entry.resolve(name);
        Files.delete(pipe);
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        assertTimeoutPreemptively(
                Duration.ofSeconds(20), () -> assertThatThrownBy(this::convert).isInstanceOf(IOException.class));
    }

    @Test
    void pipeInPlaceOfAFolder_isRefusedAtOnce() throws Exception {
        Path entry = file().resolveSibling("");
        for (Path pipe : List.of(entry, entry.resolveSibling(""))) {
            PrivateFiles.deleteAll(pipe);
            assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                    .isZero();
            assertTimeoutPreemptively(Duration.ofSeconds(20), () -> {
                assertThat(find()).isNull();
                assertThatThrownBy(this::convert)
                        .isInstanceOf(IOException.class)
                        .hasMessageContaining(pipe.toString());
            });
            PrivateFiles.deleteAll(pipe);
        }
    }

    @Test
    void linkInPlaceOfTheLock_isRefused() throws IOException {
        Path entry = file().resolveSibling("");
        Files.delete(FolderLock.file(entry));
        Path target = Files.createFile(folder.resolve("target"));
        Files.createSymbolicLink(FolderLock.file(entry), target);
        assertThatThrownBy(this::convert)
                .isInstanceOf(IOException.class)
                .hasMessageEndingWith("must be a file, but is a folder, a link or a special file");
    }
}
