package io.github.zimage.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DemoModelTest {
    private static final Path SOURCE = Path.of("../zimage-examples/demo-model");

    @TempDir
    Path folder;

    // With an old key, machines that have unpacked an older model would go on drawing with it.
    @Test
    void key_isThatOfTheFiles() throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        for (String name : DemoModel.FILES) {
            digest.update(name.getBytes(StandardCharsets.UTF_8));
            digest.update(Files.readAllBytes(SOURCE.resolve(name)));
        }
        assertThat(DemoModel.KEY)
                .isEqualTo(HexFormat.of().formatHex(digest.digest()).substring(0, 16));
    }

    @Test
    void unpack_givesEveryFileOfTheModel() throws IOException {
        assertComplete(DemoModel.unpack(folder.resolve("a/b")));
        try (Stream<Path> files = Files.walk(SOURCE)) {
            assertThat(files.filter(file -> file.toString().matches(".*\\.(json|safetensors)")))
                    .as("no file of the model is forgotten")
                    .hasSize(DemoModel.FILES.size());
        }
    }

    @Test
    void unpack_bySeveralAtOnce_givesOneWholeModel() throws IOException {
        List<CompletableFuture<Void>> all = IntStream.range(0, 4)
                .mapToObj(i -> CompletableFuture.runAsync(() -> {
                    try {
                        assertComplete(DemoModel.unpack(folder));
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                }))
                .toList();
        all.forEach(CompletableFuture::join);
        try (Stream<Path> files = Files.walk(folder)) {
            assertThat(files.filter(file -> file.toString().endsWith(".tmp"))).isEmpty();
        }
    }

    // Another program may have the files mapped.
    @Test
    void unpack_again_writesOnlyWhatIsMissing() throws IOException {
        DemoModel.unpack(folder);
        Path kept = folder.resolve("vae/config.json");
        Files.setLastModifiedTime(kept, FileTime.fromMillis(1000));
        Files.delete(folder.resolve("transformer/diffusion_pytorch_model.safetensors"));

        assertComplete(DemoModel.unpack(folder));
        assertThat(Files.getLastModifiedTime(kept)).isEqualTo(FileTime.fromMillis(1000));
    }

    @Test
    void cache_isWhereTheUserWantsIt() throws IOException {
        Path home = folder.toAbsolutePath();
        assertThat(DemoModel.cache(home + "/x", home.toString())).isEqualTo(home.resolve("x/zimage"));
        for (String unset : new String[] {null, "", "relative"}) {
            assertThat(DemoModel.cache(unset, home.toString())).isEqualTo(home.resolve(".cache/zimage"));
        }
        // What Java says where the user has no home, as in some containers.
        assertThatIOException().isThrownBy(() -> DemoModel.cache(null, "?"));
    }

    @Test
    void path_isAModel() throws IOException {
        assertComplete(DemoModel.path());
        assertThat(DemoModel.path()).isEqualTo(DemoModel.path()).isAbsolute();
    }

    private static void assertComplete(Path model) throws IOException {
        for (String name : DemoModel.FILES) {
            assertThat(model.resolve(name)).hasSameBinaryContentAs(SOURCE.resolve(name));
        }
    }
}
