package io.github.zimage.demo;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.natives.BundleFolder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
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

    private static Path unpack(Path folder) throws IOException {
        return DemoModel.unpack(BundleFolder.in(folder));
    }

    @Test
    void unpack_givesEveryFileOfTheModel() throws IOException {
        assertComplete(unpack(folder.resolve("a/b")));
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
                        assertComplete(unpack(folder));
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                }))
                .toList();
        all.forEach(CompletableFuture::join);
        try (Stream<Path> files = Files.walk(folder)) {
            assertThat(files.filter(file -> file.toString().endsWith(".part"))).isEmpty();
        }
    }

    // Another program may have the files mapped.
    @Test
    void unpack_again_writesOnlyWhatDiffers() throws IOException {
        Path model = unpack(folder);
        Path kept = model.resolve("vae/config.json");
        Files.setLastModifiedTime(kept, FileTime.fromMillis(1000));
        Files.delete(model.resolve("transformer/diffusion_pytorch_model.safetensors"));

        assertComplete(unpack(folder));
        assertThat(Files.getLastModifiedTime(kept)).isEqualTo(FileTime.fromMillis(1000));
    }

    // The jar has the sound one; without this, a newcomer's first command fails for good.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void whatIsDamaged_isMended_whateverItIs() throws IOException {
        Path model = unpack(folder);
        for (String name : DemoModel.FILES) {
            Path file = model.resolve(name);
            for (Damage damage : Damage.values()) {
                damage.does(file);
                assertComplete(unpack(folder));
            }
        }
        Path link = model.resolve("vae");
        Path elsewhere = Files.move(link, folder.resolve("elsewhere"));
        Files.createSymbolicLink(link, elsewhere);
        assertComplete(unpack(folder));
        assertThat(Files.isSymbolicLink(link)).isFalse();
    }

    private enum Damage {
        CUT {
            @Override
            void does(Path file) throws IOException {
                byte[] bytes = Files.readAllBytes(file);
                Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
            }
        },
        BIT {
            @Override
            void does(Path file) throws IOException {
                byte[] bytes = Files.readAllBytes(file);
                FileTime time = Files.getLastModifiedTime(file);
                bytes[bytes.length / 3] ^= 0x10;
                Files.write(file, bytes);
                Files.setLastModifiedTime(file, time);
            }
        },
        LONGER {
            @Override
            void does(Path file) throws IOException {
                Files.write(file, new byte[1], StandardOpenOption.APPEND);
            }
        },
        FOLDER {
            @Override
            void does(Path file) throws IOException {
                Files.delete(file);
                Files.createDirectories(file.resolve("not/empty"));
            }
        },
        LINK {
            @Override
            void does(Path file) throws IOException {
                Files.delete(file);
                Files.createSymbolicLink(file, Path.of("nowhere"));
            }
        },
        PIPE {
            @Override
            void does(Path file) throws IOException {
                Files.delete(file);
                try {
                    assertThat(new ProcessBuilder("mkfifo", file.toString())
                                    .start()
                                    .waitFor())
                            .isZero();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
        };

        abstract void does(Path file) throws IOException;
    }

    // Who can write there could have other pictures drawn, or a mapped file cut.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void filesAreForTheirOwnerOnly() throws IOException {
        Path model = unpack(folder.resolve("cache"));
        try (Stream<Path> all = Files.walk(folder.resolve("cache"))) {
            for (Path each : all.toList()) {
                assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(each)))
                        .as("%s", each)
                        .isEqualTo(Files.isDirectory(each) ? "rwx------" : "rw-------");
            }
        }
        Files.setPosixFilePermissions(model, PosixFilePermissions.fromString("rwxrwxrwx"));
        Files.writeString(model.resolve("vae/config.json"), "{}");
        assertComplete(unpack(folder.resolve("cache")));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(model)))
                .isEqualTo("rwx------");
    }

    @Test
    void path_isAModel() throws IOException {
        assertComplete(DemoModel.path());
        assertThat(DemoModel.path()).isEqualTo(DemoModel.path()).isAbsolute();
    }

    private static void assertComplete(Path model) throws IOException {
        for (String name : DemoModel.FILES) {
            assertThat(Files.mismatch(model.resolve(name), SOURCE.resolve(name)))
                    .as("where %s differs", name)
                    .isEqualTo(-1);
        }
    }
}
