package io.github.zimage.hub;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Downloads in JVMs of their own: several at once, and killed. */
final class HubProcessTest {
    private static final String SHARD = "transformer/diffusion_pytorch_model-00001-of-00002.safetensors";
    private static final int KILLS = 4;

    private final FakeHub hub = FakeHub.withCheckpoint();

    @TempDir
    Path cache;

    @AfterEach
    void close() {
        hub.close();
    }

    /** Pulls the model of a hub into a cache, and says how that went. */
    static final class Puller {
        public static void main(String[] args) {
            try {
                System.out.println("done "
                        + ZImageHub.builder()
                                .endpoint(URI.create(args[0]))
                                .cache(Path.of(args[1]))
                                .token("")
                                .offline(false)
                                .build()
                                .pull(FakeHub.NAME));
            } catch (HubException e) {
                System.out.println("failed " + e.getMessage());
            }
        }
    }

    private Process puller() throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx64m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Puller.class.getName(),
                        hub.endpoint().toString(),
                        cache.toString())
                .redirectErrorStream(true)
                .start();
    }

    private static List<String> output(Process process) throws InterruptedException {
        List<String> lines = process.inputReader()
                .lines()
                .filter(line -> !line.startsWith("SLF4J"))
                .toList();
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        return lines;
    }

    private Path model() {
        return cache.resolve("models--Tongyi-MAI--Z-Image-Turbo");
    }

    private Path snapshot() {
        return model().resolve("snapshots").resolve(FakeHub.COMMIT);
    }

    private void assertWhole() throws IOException {
        for (String path : FakeHub.NEEDED) {
            assertThat(snapshot().resolve(path)).hasBinaryContent(hub.files.get(path));
        }
        try (Stream<Path> blobs = Files.list(model().resolve("blobs"))) {
            assertThat(blobs).as("nothing is left over").hasSize(FakeHub.NEEDED.size());
        }
    }

    // Two programs that start with the same model on a new machine.
    @Test
    void twoProcessesAtOnce_fetchEachFileOnce() throws Exception {
        hub.put(SHARD, 1_500_000);
        hub.millisPerPiece = 20;
        List<Process> processes = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            processes.add(puller());
        }
        for (Process process : processes) {
            assertThat(output(process)).containsExactly("done " + snapshot());
        }
        assertWhole();
        for (String path : FakeHub.NEEDED) {
            assertThat(hub.askedFor(path)).as(path).hasSize(1);
        }
    }

    @Test
    void killedAtAnyMoment_leavesNoSnapshot_andGoesOn() throws Exception {
        hub.put(SHARD, 2_000_000);
        hub.millisPerPiece = 10;
        Path partial = model().resolve("blobs").resolve(hub.digest(SHARD) + ".zimage.incomplete");
        Random random = new Random(5);
        long size = 0;
        for (int i = 0; i < KILLS; i++) {
            Process process = puller();
            awaitMore(partial, size + 20_000 + random.nextInt(200_000), process);
            process.destroyForcibly().waitFor();
            size = partial.toFile().length();
            assertThat(size).as("killed while it downloaded").isBetween(1L, 1_999_999L);
            assertThat(model().resolve("snapshots")).doesNotExist();
            assertThat(model().resolve("refs")).doesNotExist();
        }
        hub.millisPerPiece = 0;
        assertThat(output(puller())).containsExactly("done " + snapshot());
        assertWhole();
        String rest = "bytes=" + size + "-";
        assertThat(hub.askedFor(SHARD))
                .hasSize(KILLS + 1)
                .last()
                .satisfies(each -> assertThat(each.header("Range")).isEqualTo(rest));
    }

    private void awaitMore(Path partial, long bytes, Process process) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (partial.toFile().length() < bytes && System.nanoTime() < end && process.isAlive()) {
            Thread.sleep(2);
        }
    }
}
