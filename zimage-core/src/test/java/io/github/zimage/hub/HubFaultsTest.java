package io.github.zimage.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.hub.FakeHub.Faults;
import io.github.zimage.internal.hub.HubSettings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever goes wrong with a download: the files come whole, or there is one clear error and no snapshot. */
final class HubFaultsTest {
    private static final String VAE = "vae/diffusion_pytorch_model.safetensors";
    private static final String SHARD = "transformer/diffusion_pytorch_model-00001-of-00002.safetensors";

    private final FakeHub hub = FakeHub.withCheckpoint();

    @TempDir
    Path cache;

    // A thread of a download that failed would go on writing.
    @AfterEach
    void close() throws InterruptedException {
        for (Map.Entry<Thread, StackTraceElement[]> each :
                Thread.getAllStackTraces().entrySet()) {
            Thread thread = each.getKey();
            if (thread.getName().matches("zimage-pull-\\d+")) {
                thread.join(TimeUnit.SECONDS.toMillis(10)); // it has ended its work, but perhaps not itself
                assertThat(thread.isAlive())
                        .as("%s at %s", thread, List.of(each.getValue()))
                        .isFalse();
            }
        }
        hub.close();
    }

    private Path model() {
        return cache.resolve("models--Tongyi-MAI--Z-Image-Turbo");
    }

    private Path partial(String path) {
        return model().resolve("blobs").resolve(hub.digest(path) + ".zimage.incomplete");
    }

    private void assertPulled(Path folder) throws IOException {
        for (String path : FakeHub.NEEDED) {
            assertThat(folder.resolve(path)).hasBinaryContent(hub.files.get(path));
        }
        assertThat(incomplete()).isEmpty();
        assertThat(hub.unusedFaults()).isZero();
    }

    private List<Path> incomplete() throws IOException {
        try (Stream<Path> paths = Files.walk(cache)) {
            return paths.filter(path -> path.toString().endsWith(".incomplete")).toList();
        }
    }

    private HubException refused() {
        return refused(hub.client(cache));
    }

    /** Pulls and returns why that fails; whatever the reason, there must be no snapshot then, and no branch that points to one. */
    private HubException refused(ZImageHub client) {
        HubException thrown = catchThrowableOfType(HubException.class, () -> client.pull(FakeHub.NAME));
        assertThat(thrown).as("the download fails").isNotNull();
        assertThat(model().resolve("snapshots")).doesNotExist();
        assertThat(model().resolve("refs")).doesNotExist();
        StringWriter trace = new StringWriter();
        thrown.printStackTrace(new PrintWriter(trace));
        assertThat(trace.toString()).doesNotContain(FakeHub.TOKEN).doesNotContain("signature=");
        return thrown;
    }

    @Test
    void cutConnections_goOnWhereTheyEnded() throws IOException {
        hub.fail(SHARD, Faults.cutAfter(100_000), Faults.cutAfter(50_000));
        assertPulled(hub.client(cache).pull(FakeHub.NAME));

        assertThat(hub.askedFor(SHARD))
                .extracting(each -> each.header("Range"))
                .containsExactly("", "bytes=100000-", "bytes=150000-");
        assertThat(hub.pauses).as("each cut made it get on").containsOnly(Duration.ofSeconds(1));
    }

    @Test
    void connectionThatIsCutAgainAndAgain_isGivenUp_andGoesOnNextTime() throws IOException {
        hub.fail(
                SHARD,
                Faults.cutAfter(7000),
                Faults.cutAfter(0),
                Faults.cutAfter(0),
                Faults.cutAfter(0),
                Faults.cutAfter(0),
                Faults.cutAfter(0));
        HubException e = refused();
        assertThat(e)
                .hasMessageContaining(SHARD + " cannot be fetched: ")
                .hasMessageContaining("what has come is kept, pull again and it goes on there")
                .matches(HubException::isTemporary);
        assertThat(hub.pauses)
                .containsSubsequence(
                        Duration.ofSeconds(1),
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(4),
                        Duration.ofSeconds(8),
                        Duration.ofSeconds(16));
        assertThat(partial(SHARD)).hasSize(7000);
        PullPlan plan = hub.client(cache).plan(PullRequest.of(FakeHub.NAME));
        assertThat(plan.files())
                .anySatisfy(file -> assertThat(file.presentBytes()).isEqualTo(7000));

        hub.asked.clear();
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedFor(SHARD))
                .singleElement()
                .satisfies(each -> assertThat(each.header("Range")).isEqualTo("bytes=7000-"));
    }

    @Test
    void serverThatIgnoresRanges_isReadFromTheBeginning() throws IOException {
        hub.fail(SHARD, Faults.cutAfter(100_000), Faults.withoutRanges());
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedFor(SHARD)).hasSize(2);
    }

    // The other half of what a server had before would make a file that is neither.
    @Test
    void contentThatChangesMidWay_isReadFromTheBeginning() throws IOException {
        byte[] old = hub.files.get(SHARD);
        hub.fail(SHARD, (exchange, content) -> {
            byte[] other = old.clone();
            Arrays.fill(other, 0, 1000, (byte) 7);
            exchange.getResponseHeaders().set("ETag", "\"another\"");
            return Faults.cutAfter(100_000).answer(exchange, other);
        });
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedFor(SHARD))
                .last()
                .satisfies(each -> assertThat(each.header("If-range")).isEqualTo("\"another\""));
        assertThat(hub.askedFor(SHARD)).hasSize(2);
    }

    @Test
    void fileThatTheHubReplacedMeanwhile_isAnError() {
        for (int i = 0; i < 2; i++) {
            hub.fail("redirect " + VAE, Faults.first((exchange, content) -> {
                exchange.getResponseHeaders().set("X-Linked-ETag", "\"" + "0".repeat(64) + "\"");
                return false;
            }));
        }
        assertThat(refused())
                .hasMessage(VAE + " cannot be fetched: the hub has another content for it by now; pull again");
    }

    @ParameterizedTest
    @ValueSource(ints = {429, 500, 502, 503, 504})
    void busyServer_isAskedAgain(int status) throws IOException {
        hub.fail("tree", Faults.status(status));
        hub.fail("redirect " + VAE, Faults.status(status), Faults.status(status));
        hub.fail(VAE, Faults.status(status));
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.pauses).hasSize(4);
    }

    // A server may ask for an hour; whoever waits at a terminal would think that it hangs.
    @Test
    void retryAfter_isHeeded_upToAMinute() throws IOException {
        String soon = DateTimeFormatter.RFC_1123_DATE_TIME.format(
                ZonedDateTime.now(ZoneOffset.UTC).plusSeconds(30));
        hub.fail(
                "revision",
                Faults.status(429, "Retry-After", "7"),
                Faults.status(503, "Retry-After", "3600"),
                Faults.status(503, "Retry-After", soon),
                Faults.status(503, "Retry-After", "soon"));
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.pauses)
                .satisfiesExactly(
                        pause -> assertThat(pause).isEqualTo(Duration.ofSeconds(7)),
                        pause -> assertThat(pause).isEqualTo(Duration.ofSeconds(60)),
                        // The date has whole seconds, and some time passes before it is read.
                        pause -> assertThat(pause).isBetween(Duration.ofSeconds(10), Duration.ofSeconds(30)),
                        pause -> assertThat(pause).isEqualTo(Duration.ofSeconds(8)));
    }

    @Test
    void busyForTooLong_isAnErrorThatMayPass() {
        for (int i = 0; i < 6; i++) {
            hub.fail("revision", Faults.status(503));
        }
        assertThat(refused())
                .hasMessageContaining("cannot be looked up (127.0.0.1 answered 503)")
                .matches(HubException::isTemporary);
        assertThat(hub.unusedFaults()).isZero();
    }

    // Signed addresses are good for minutes; a download takes longer.
    @Test
    void addressThatExpired_isAskedForAnew() throws IOException {
        hub.fail(SHARD, Faults.cutAfter(1000), Faults.status(403));
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedOf("hub").stream().filter(each -> each.path().endsWith(SHARD)))
                .hasSize(3);
    }

    @Test
    void token_goesToTheHubOnly() throws IOException {
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedOf("hub"))
                .isNotEmpty()
                .allSatisfy(each -> assertThat(each.header("Authorization")).isEqualTo("Bearer " + FakeHub.TOKEN));
        assertThat(hub.askedOf("files"))
                .isNotEmpty()
                .allSatisfy(each -> assertThat(each.headers()).doesNotContainKeys("Authorization", "Cookie"));
    }

    @Test
    void redirects_withoutEndOrToOtherSchemes_areNotFollowed() {
        for (int i = 0; i < 60; i++) {
            hub.fail(
                    "redirect " + VAE,
                    Faults.status(302, "Location", "/" + FakeHub.NAME + "/resolve/" + FakeHub.COMMIT + "/" + VAE));
        }
        assertThat(refused()).hasMessageContaining("sends on more than 5 times");
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "::", "jar:file:x!/y"})
    void redirectToWhatIsNoServer_isNotFollowed(String location) {
        for (int i = 0; i < 6; i++) {
            hub.fail("redirect " + VAE, Faults.status(302, "Location", location));
        }
        assertThat(refused()).hasMessageContaining("sends on to an address that is not safe to follow");
    }

    @Test
    void damagedContent_isFetchedOnceMore() throws IOException {
        hub.fail(VAE, Faults.damaged());
        hub.fail("vae/config.json", Faults.damaged());
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedFor(VAE)).extracting(each -> each.header("Range")).containsExactly("", "");
    }

    @Test
    void contentThatStaysDamaged_isAnError_andIsNotKept() throws IOException {
        hub.fail(VAE, Faults.damaged(), Faults.damaged());
        assertThat(refused())
                .hasMessage(VAE + " cannot be fetched: its digest must be " + hub.digest(VAE)
                        + ", but is another: it was damaged on its way, or is another file");
        assertThat(partial(VAE)).doesNotExist();
        assertThat(model().resolve("blobs").resolve(hub.digest(VAE))).doesNotExist();
        assertThat(hub.askedFor(VAE)).hasSize(2);
    }

    // A power cut can leave blocks of zeros where a file ended.
    @Test
    void damagedBeginning_leftByAnEarlierDownload_isFetchedAnew() throws IOException {
        Files.createDirectories(partial(VAE).getParent());
        Files.write(partial(VAE), new byte[20_000]);
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedFor(VAE)).extracting(each -> each.header("Range")).containsExactly("bytes=20000-", "");
    }

    @Test
    void tooLongABeginning_isFetchedAnew() throws IOException {
        Files.createDirectories(partial(VAE).getParent());
        Files.write(partial(VAE), new byte[60_000]);
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 1, -50_000, 100_000})
    void wrongLength_isFetchedOnceMore_thenAnError(int difference) throws IOException {
        hub.fail(VAE, Faults.length(difference));
        assertPulled(hub.client(cache).pull(FakeHub.NAME));

        Path other = cache.resolve("other");
        hub.fail(VAE, Faults.length(difference), Faults.length(difference));
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> hub.client(other).pull(FakeHub.NAME))
                .withMessage("%s cannot be fetched: it must have 50000 bytes, but the server has %d"
                        .formatted(VAE, 50_000 + difference));
    }

    @Test
    void contentWithoutALength_thatIsTooLong_isNotReadToItsEnd() {
        for (int i = 0; i < 2; i++) {
            hub.fail(VAE, (exchange, content) -> {
                exchange.sendResponseHeaders(200, 0); // in chunks
                for (int sent = 0; sent < 100_000_000; sent += content.length) {
                    exchange.getResponseBody().write(content);
                }
                return true;
            });
        }
        assertThat(refused()).hasMessage(VAE + " cannot be fetched: the server sends more than the 50000 bytes of it");
    }

    @Test
    void packedContent_isNotTakenForTheFile() {
        for (int i = 0; i < 2; i++) {
            hub.fail("vae/config.json", (exchange, content) -> {
                ByteArrayOutputStream packed = new ByteArrayOutputStream();
                try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
                    gzip.write(content);
                }
                exchange.getResponseHeaders().set("Content-Encoding", "gzip");
                FakeHub.send(exchange, packed.toByteArray());
                return true;
            });
        }
        assertThat(refused()).hasMessageContaining("the server packs it although it was asked not to");
    }

    @Test
    void wrongRanges_areNotAppended() throws IOException {
        hub.fail(
                VAE,
                Faults.cutAfter(1000),
                Faults.status(206, "Content-Range", "bytes 500-49999/50000"),
                Faults.cutAfter(1000),
                Faults.status(416));
        assertThat(refused()).hasMessageContaining(VAE + " cannot be fetched: ");
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
    }

    @Test
    void silentServer_isLeftAndAskedAgain() throws IOException {
        CountDownLatch end = new CountDownLatch(1);
        hub.fail(VAE, (exchange, content) -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content, 0, 5000);
            exchange.getResponseBody().flush();
            await(end);
            return true;
        });
        var settings = hub.settings(cache, Map.of());
        ZImageHub client = ZImageHub.builder(new HubSettings(
                        settings.variables(),
                        settings.home(),
                        settings.endpoint(),
                        null,
                        cache,
                        null,
                        4,
                        settings.pause(),
                        Duration.ofMillis(1500)))
                .build();
        assertPulled(client.pull(FakeHub.NAME));
        end.countDown();
        assertThat(hub.askedFor(VAE)).extracting(each -> each.header("Range")).containsExactly("", "bytes=5000-");
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(1, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void refusals_sayWhatToDo() {
        hub.fail("revision", Faults.status(403, "X-Error-Code", "GatedRepo", "X-Error-Message", "x".repeat(150)));
        assertThat(refused())
                .hasMessage("%s is gated, and the account of this token may not read it: accept the licence at %s/%s"
                                .formatted(FakeHub.NAME, hub.endpoint(), FakeHub.NAME)
                        + " (127.0.0.1 answered 403 ("
                        + "x".repeat(100) + "…))")
                .matches(e -> !e.isTemporary());
        hub.fail("revision", Faults.status(401, "X-Error-Code", "GatedRepo"));
        ZImageHub nobody =
                ZImageHub.builder(hub.settings(cache, Map.of("HF_TOKEN", ""))).build();
        assertThat(refused(nobody))
                .hasMessageContaining("accept the licence at %s/%s, make a token for reading, and set HF_TOKEN to it"
                        .formatted(hub.endpoint(), FakeHub.NAME));
        hub.fail("revision", Faults.status(404, "X-Error-Code", "RevisionNotFound"));
        assertThat(refused()).hasMessageContaining(FakeHub.NAME + " has no revision main: see ");
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> nobody.pull("some/one"))
                .withMessageContaining("there is no model some/one at %s for who asks without a token: it is misspelt,"
                        .formatted(hub.endpoint()));
    }

    @Test
    void answersThatAreNoHubs_areRefused() {
        hub.fail("revision", (exchange, content) -> {
            FakeHub.send(exchange, "<html>Log in to the hotel's network".getBytes(StandardCharsets.UTF_8));
            return true;
        });
        assertThat(refused())
                .hasMessageContaining("127.0.0.1 answered with what is not JSON")
                .hasMessageContaining("is it a hub?");
        hub.commit = "../../../../etc";
        assertThat(refused()).hasMessageContaining("must name the commit of").hasMessageContaining("in 40 digits");
        hub.commit = FakeHub.COMMIT;
        hub.listedDigest = "../../../evil";
        assertThat(refused())
                .hasMessageContaining("must give a length and a digest for each file, but does not for \"vae/");
    }

    // Names come from the hub, and become files here.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "../evil.safetensors",
                "vae/../../evil.safetensors",
                "/etc/evil.safetensors",
                "vae//evil.safetensors",
                "./evil.safetensors",
                "C:/evil.safetensors",
                "..\\\\evil.safetensors",
                "a\0evil.safetensors",
                "NUL/evil.safetensors",
                "com1.evil.safetensors",
                "aux .evil.safetensors",
                "evil /x.safetensors",
                "evil./x.safetensors",
                ".cache/huggingface/evil.safetensors",
                "x\u202eevil.safetensors",
            })
    void hostileFileNames_areRefusedBeforeAnythingIsFetched(String path) throws IOException {
        hub.put(path, 3000);
        for (PullRequest request : List.of(
                PullRequest.of(FakeHub.NAME).only("**evil**", "**.safetensors"),
                PullRequest.of(FakeHub.NAME).only("**evil**", "**.safetensors").to(cache.resolve("mine")))) {
            assertThatExceptionOfType(HubException.class)
                    .isThrownBy(() -> hub.client(cache).pull(request))
                    .withMessageContaining("lists a file that no safe name can be given to, \"");
        }
        assertThat(cache).isEmptyDirectory();
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
    }

    @Test
    void namesThatWouldBeOneFile_areRefused() {
        hub.put("VAE/config.json", 100);
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() ->
                        hub.client(cache).pull(PullRequest.of(FakeHub.NAME).only("**/config.json")))
                .withMessageContaining("two files that would be the same one where case does not count");
        hub.put("vae/config.json/x.json", 100);
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() ->
                        hub.client(cache).pull(PullRequest.of(FakeHub.NAME).only("vae/**")))
                .withMessageContaining("lists \"vae/config.json\" as a file and as a folder");
    }

    @Test
    void tooLittleRoom_isSaidBeforeAnythingIsFetched() throws Exception {
        Path disk = smallDisk(256);
        try {
            assertThatExceptionOfType(HubException.class)
                    .isThrownBy(() -> hub.client(disk).pull(FakeHub.NAME))
                    .withMessageContaining("needs ", " more in " + disk)
                    .withMessageContaining("make room, or name another disk with --to or HF_HOME");
            assertThat(disk).isEmptyDirectory();
            assertThat(hub.askedOf("files")).isEmpty();
        } finally {
            unmount(disk);
        }
    }

    @Test
    void diskThatFillsUpMeanwhile_isAnError_andGoesOnWhenThereIsRoom() throws Exception {
        Path disk = smallDisk(1500);
        try {
            Path ballast = disk.resolve("ballast");
            hub.fail(SHARD, Faults.first((exchange, content) -> {
                Files.write(ballast, new byte[1_300_000]);
                return false;
            }));
            assertThatExceptionOfType(HubException.class)
                    .isThrownBy(() -> hub.client(disk).pull(FakeHub.NAME))
                    .withMessageContaining("cannot be written to " + disk)
                    .withMessageContaining("No space left on device; make room, or name another disk, and pull again");
            assertThat(disk.resolve("models--Tongyi-MAI--Z-Image-Turbo/snapshots"))
                    .doesNotExist();

            Files.delete(ballast);
            Path folder = hub.client(disk).pull(FakeHub.NAME);
            for (String path : FakeHub.NEEDED) {
                assertThat(folder.resolve(path)).hasBinaryContent(hub.files.get(path));
            }
        } finally {
            unmount(disk);
        }
    }

    private Path smallDisk(int kilobytes) throws Exception {
        Path disk = Files.createDirectory(cache.resolve("disk"));
        Assumptions.assumeTrue(
                command("mount", "-t", "tmpfs", "-o", "size=" + kilobytes + "k", "tmpfs", disk.toString()) == 0,
                "a small disk needs the right to mount one");
        return disk;
    }

    private static void unmount(Path disk) throws Exception {
        assertThat(command("umount", "-l", disk.toString())).isZero();
    }

    private static int command(String... words) throws InterruptedException {
        try {
            return new ProcessBuilder(words)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
        } catch (IOException e) {
            return -1;
        }
    }

    @Test
    void interrupted_endsAtOnce_andGoesOnNextTime() throws Exception {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        hub.fail(SHARD, (exchange, content) -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content, 0, 5000);
            exchange.getResponseBody().flush();
            reached.countDown();
            await(end);
            return true;
        });
        CompletableFuture<Throwable> thrown = new CompletableFuture<>();
        Thread caller = new Thread(
                () -> thrown.complete(catchThrowable(() -> hub.client(cache).pull(FakeHub.NAME))));
        caller.start();
        await(reached);
        awaitSize(partial(SHARD), 5000);
        caller.interrupt();
        assertThat(thrown.get(1, TimeUnit.MINUTES))
                .isInstanceOf(GenerationCancelledException.class)
                .hasMessage("the download was interrupted; pull again and it goes on where it ended");
        end.countDown();
        assertThat(model().resolve("snapshots")).doesNotExist();
        assertPulled(hub.client(cache).pull(FakeHub.NAME));
        assertThat(hub.askedFor(SHARD))
                .last()
                .satisfies(each -> assertThat(each.header("Range")).isEqualTo("bytes=5000-"));
    }

    private static void awaitSize(Path file, long bytes) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (file.toFile().length() < bytes && System.nanoTime() < end) {
            Thread.sleep(5);
        }
        assertThat(file).hasSize(bytes);
    }

    @Test
    void placesThatCannotHoldModels_areSaid() throws IOException {
        Path file = Files.writeString(cache.resolve("file"), "mine");
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() ->
                        hub.client(cache).pull(PullRequest.of(FakeHub.NAME).to(file)))
                .withMessage("models cannot be kept in %s: %s is no folder".formatted(file, file));
        assertThat(file).hasContent("mine");
    }

    @Test
    void listenerThatThrows_endsTheDownload() {
        ZImageHub client = ZImageHub.builder(hub.settings(cache, Map.of()))
                .listener(new PullListener() {
                    @Override
                    public void onFile(String path) {
                        throw new IllegalStateException("enough");
                    }
                })
                .build();
        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> client.pull(FakeHub.NAME))
                .withMessage("enough");
        assertThat(model().resolve("snapshots")).doesNotExist();
    }
}
