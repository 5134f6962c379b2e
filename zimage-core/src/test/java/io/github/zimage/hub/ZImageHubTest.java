package io.github.zimage.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.zimage.internal.hub.HubSettings;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Downloads that nothing goes wrong with: what is fetched, where it lies, and that it is found again. */
final class ZImageHubTest {
    private final FakeHub hub = FakeHub.withCheckpoint();

    @TempDir
    Path cache;

    @AfterEach
    void close() {
        hub.close();
    }

    private Path model() {
        return cache.resolve("models--Tongyi-MAI--Z-Image-Turbo");
    }

    private Path snapshot() {
        return model().resolve("snapshots").resolve(FakeHub.COMMIT);
    }

    private static List<String> files(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            return paths.filter(path -> !Files.isDirectory(path))
                    .map(path -> folder.relativize(path).toString())
                    .sorted()
                    .toList();
        }
    }

    private void assertSame(Path folder, List<String> paths) throws IOException {
        for (String path : paths) {
            assertThat(folder.resolve(path)).hasBinaryContent(hub.files.get(path));
        }
    }

    // Hugging Face's library, diffusers and ComfyUI find what is laid out so; another folder would be another 33 GB.
    @Test
    void pull_laysFilesOutAsHuggingFaceDoes() throws IOException {
        Path folder = hub.client(cache).pull(FakeHub.NAME);

        assertThat(folder).isEqualTo(snapshot());
        assertThat(files(folder)).containsExactlyElementsOf(FakeHub.NEEDED);
        assertSame(folder, FakeHub.NEEDED);
        String shard = "transformer/diffusion_pytorch_model-00001-of-00002.safetensors";
        assertThat(Files.readSymbolicLink(folder.resolve(shard))).hasToString("../../../blobs/" + hub.digest(shard));
        assertThat(Files.readSymbolicLink(folder.resolve("model_index.json")))
                .hasToString("../../blobs/" + hub.digest("model_index.json"));
        assertThat(model().resolve("refs/main")).hasContent(FakeHub.COMMIT);
        assertThat(files(model().resolve("blobs"))).hasSize(FakeHub.NEEDED.size());
        assertThat(files(cache.resolve(".locks")))
                .contains("models--Tongyi-MAI--Z-Image-Turbo/" + hub.digest(shard) + ".lock");
        assertThat(cache.resolve("CACHEDIR.TAG")).content().startsWith("Signature: 8a477f597d28d172789f06886806bc55");
    }

    @Test
    void pull_again_asksOnlyForTheCommitAndTheList() {
        hub.client(cache).pull(FakeHub.NAME);
        hub.asked.clear();

        assertThat(hub.client(cache).pull(FakeHub.NAME)).isEqualTo(snapshot());
        assertThat(hub.asked)
                .extracting(FakeHub.Asked::path)
                .containsExactly(
                        "/api/models/" + FakeHub.NAME + "/revision/main",
                        "/api/models/" + FakeHub.NAME + "/tree/" + FakeHub.COMMIT);
    }

    @Test
    void pull_listOfSeveralPages_hasAllFiles() throws IOException {
        hub.pageLength = 7;
        assertThat(files(hub.client(cache).pull(FakeHub.NAME))).containsExactlyElementsOf(FakeHub.NEEDED);
        assertThat(hub.asked.stream().filter(each -> each.path().contains("/tree/")))
                .hasSizeGreaterThan(2);
    }

    @Test
    void find_knowsOnlyWhatIsWhole_andOpensNoConnection() throws IOException {
        ZImageHub client = hub.client(cache);
        assertThat(client.find(FakeHub.NAME)).isEmpty();
        client.pull(FakeHub.NAME);
        hub.asked.clear();

        assertThat(client.find(FakeHub.NAME)).contains(snapshot());
        assertThat(client.find(FakeHub.NAME + "@" + FakeHub.COMMIT)).contains(snapshot());
        assertThat(client.find(FakeHub.NAME + "@v2")).isEmpty();
        assertThat(client.find(PullRequest.of(FakeHub.NAME).only("vae"))).contains(snapshot());
        Files.delete(snapshot().resolve("text_encoder/model-00002-of-00003.safetensors"));
        assertThat(client.find(FakeHub.NAME)).isEmpty();
        assertThat(hub.asked).isEmpty();
    }

    // A folder that some files of a checkpoint are in must pass neither for it nor for a model of one file.
    @Test
    void pull_partsOnly_fetchesTheseOnly_andIsNoCheckpoint() throws IOException {
        ZImageHub client = hub.client(cache);
        Path folder = client.pull(PullRequest.of(FakeHub.NAME).only("vae", "tokenizer/"));

        assertThat(files(folder))
                .containsExactly(
                        "tokenizer/tokenizer.json",
                        "tokenizer/tokenizer_config.json",
                        "vae/config.json",
                        "vae/diffusion_pytorch_model.safetensors");
        assertThat(client.find(FakeHub.NAME)).isEmpty();
        assertThat(client.pull(PullRequest.of(FakeHub.NAME).only("transformer/*.bf16.safetensors")))
                .isEqualTo(folder.resolve("transformer/diffusion_pytorch_model.bf16.safetensors"));
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> client.pull(PullRequest.of(FakeHub.NAME).only("unet")))
                .withMessageStartingWith(
                        FakeHub.NAME + " has no \"unet\"; it has README.md 3.00 kB, assets/showcase.jpg");
    }

    @Test
    void pull_ofAModelThatIsOneFile_returnsTheFile_ofSeveral_asksWhich() {
        hub.files.clear();
        hub.put("README.md", 100);
        hub.put("fox.safetensors", 9000);
        ZImageHub client = hub.client(cache);
        assertThat(client.pull(FakeHub.NAME)).isEqualTo(snapshot().resolve("fox.safetensors"));
        assertThat(client.find(FakeHub.NAME)).contains(snapshot().resolve("fox.safetensors"));

        hub.put("hen.safetensors", 9000);
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> client.pull(FakeHub.NAME))
                .withMessage(FakeHub.NAME + " has several models; name what you want of it with --only"
                        + " (fox.safetensors 9.00 kB, hen.safetensors 9.00 kB)");
        hub.files.clear();
        hub.put("model_index.json", 20);
        hub.put("unet/config.json", 20);
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> client.pull(FakeHub.NAME))
                .withMessageContaining("is no checkpoint of Z-Image: it has no scheduler");
    }

    // As hf download --local-dir leaves it, so that each finds what the other fetched.
    @Test
    void pull_toAFolder_leavesFilesAndHuggingFacesNotes() throws IOException {
        Path folder = cache.resolve("mine");
        ZImageHub client = hub.client(cache);
        PullRequest request = PullRequest.of(FakeHub.NAME).to(folder);
        assertThat(client.pull(request)).isEqualTo(folder);

        assertThat(files(folder).stream().filter(path -> !path.startsWith(".cache")))
                .containsExactlyElementsOf(FakeHub.NEEDED);
        assertThat(folder.resolve("vae/config.json"))
                .isRegularFile()
                .satisfies(file -> assertThat(Files.isSymbolicLink(file)).isFalse());
        assertThat(Files.readAllLines(folder.resolve(".cache/huggingface/download/vae/config.json.metadata")))
                .satisfiesExactly(
                        commit -> assertThat(commit).isEqualTo(FakeHub.COMMIT),
                        digest -> assertThat(digest).isEqualTo(hub.digest("vae/config.json")),
                        time -> assertThat(Double.parseDouble(time)).isGreaterThan(1e9));
        assertThat(client.find(request)).contains(folder);
        hub.asked.clear();
        client.pull(request);
        assertThat(hub.asked).hasSize(2);
    }

    // Copied by hand, or by a tool that leaves no notes: reading is faster than fetching, and a length alone proves
    // nothing.
    @Test
    void pull_toAFolderWithFilesWithoutNotes_readsThemAndFetchesOnlyWhatDiffers() throws IOException {
        Path vae = Files.createDirectories(cache.resolve("mine/vae"));
        Files.write(vae.resolve("config.json"), hub.files.get("vae/config.json"));
        byte[] other = hub.files.get("vae/diffusion_pytorch_model.safetensors").clone();
        other[7]++;
        Files.write(vae.resolve("diffusion_pytorch_model.safetensors"), other);

        hub.client(cache).pull(PullRequest.of(FakeHub.NAME).only("vae").to(cache.resolve("mine")));

        assertThat(hub.askedFor("vae/config.json")).isEmpty();
        assertThat(hub.askedFor("vae/diffusion_pytorch_model.safetensors")).hasSize(1);
        assertSame(cache.resolve("mine"), List.of("vae/config.json", "vae/diffusion_pytorch_model.safetensors"));
    }

    // Windows without the privilege, and file systems that know no links.
    @Test
    void pull_withoutLinks_putsContentsIntoTheSnapshot() throws IOException {
        HubSettings settings = hub.settings(cache, Map.of("HF_HUB_DISABLE_SYMLINKS", "1"));
        ZImageHub client = ZImageHub.builder(settings).build();
        Path folder = client.pull(FakeHub.NAME);

        assertSame(folder, FakeHub.NEEDED);
        assertThat(FakeHub.NEEDED).noneMatch(path -> Files.isSymbolicLink(folder.resolve(path)));
        assertThat(files(model().resolve("blobs"))).isEmpty();
        hub.asked.clear();
        assertThat(client.pull(FakeHub.NAME)).isEqualTo(folder);
        assertThat(hub.asked).hasSize(2);
    }

    @Test
    void plan_saysWhatIsThere_andWritesNothing() throws IOException {
        ZImageHub client = hub.client(cache.resolve("new"));
        PullPlan plan = client.plan(PullRequest.of(FakeHub.NAME));
        assertThat(cache).isEmptyDirectory();
        assertThat(plan.files()).extracting(PullPlan.PlannedFile::path).containsExactlyElementsOf(FakeHub.NEEDED);
        assertThat(plan.missingBytes()).isEqualTo(plan.bytes()).isGreaterThan(700_000);

        client.pull(PullRequest.of(FakeHub.NAME).only("transformer"));
        PullPlan rest = client.plan(PullRequest.of(FakeHub.NAME));
        assertThat(rest.missingBytes()).isEqualTo(plan.bytes() - transformerBytes());
        assertThat(rest.toString())
                .contains("transformer/diffusion_pytorch_model-00001-of-00002.safetensors   300 kB  here\n")
                .contains("at f332072aa78b: 15 files, ", " to fetch, in ");
    }

    private long transformerBytes() {
        return FakeHub.NEEDED.stream()
                .filter(path -> path.startsWith("transformer/"))
                .mapToLong(path -> hub.files.get(path).length)
                .sum();
    }

    @Test
    void listener_hearsOfAllBytesAndFiles() {
        List<Long> bytes = Collections.synchronizedList(new ArrayList<>());
        List<String> files = Collections.synchronizedList(new ArrayList<>());
        List<PullPlan> plans = new ArrayList<>();
        ZImageHub client = ZImageHub.builder(hub.settings(cache, Map.of()))
                .listener(new PullListener() {
                    @Override
                    public void onPlan(PullPlan plan) {
                        plans.add(plan);
                    }

                    @Override
                    public void onBytes(long done, long total) {
                        bytes.add(done);
                        assertThat(total).isEqualTo(plans.get(0).bytes());
                    }

                    @Override
                    public void onFile(String path) {
                        files.add(path);
                    }
                })
                .build();
        client.pull(FakeHub.NAME);
        assertThat(bytes).isSorted().last().isEqualTo(plans.get(0).bytes());
        assertThat(files)
                .containsExactlyInAnyOrderElementsOf(FakeHub.NEEDED)
                .last()
                .isEqualTo("model_index.json");
    }

    // A branch moves on; what was fetched before stays, and only what is new comes.
    @Test
    void pull_ofANewerCommit_fetchesWhatChanged() throws IOException {
        ZImageHub client = hub.client(cache);
        Path before = client.pull(FakeHub.NAME);
        byte[] old = hub.files.get("vae/config.json");
        hub.put("vae/config.json", 601);
        hub.commit = "0123456789012345678901234567890123456789";
        hub.asked.clear();
        hub.fail("none");
        Path after = client.pull(FakeHub.NAME);

        assertThat(after).isEqualTo(model().resolve("snapshots").resolve(hub.commit));
        assertThat(hub.askedFor("vae/config.json")).hasSize(1);
        assertThat(hub.asked).hasSize(3);
        assertSame(after, FakeHub.NEEDED);
        assertThat(before.resolve("vae/config.json")).hasBinaryContent(old);
        assertThat(client.find(FakeHub.NAME)).contains(after);
    }

    @Test
    void offline_takesWhatIsWhole_orSaysWhere() {
        ZImageHub offline = ZImageHub.builder(hub.settings(cache, Map.of("HF_HUB_OFFLINE", "true")))
                .build();
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> offline.pull(FakeHub.NAME))
                .withMessageContainingAll("HF_HUB_OFFLINE is set; looked in [", snapshotsParent());
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> offline.plan(PullRequest.of(FakeHub.NAME)))
                .withMessageContaining("HF_HUB_OFFLINE is set");
        assertThat(hub.asked).isEmpty();

        Path folder = hub.client(cache).pull(FakeHub.NAME);
        hub.asked.clear();
        assertThat(offline.pull(FakeHub.NAME)).isEqualTo(folder);
        assertThat(hub.asked).isEmpty();
    }

    private String snapshotsParent() {
        return model().resolve("snapshots").toString();
    }

    @Test
    void hubThatIsDown_isDoneWithout_ifTheModelIsHere() {
        Path folder = hub.client(cache).pull(FakeHub.NAME);
        ZImageHub client = hub.client(cache);
        hub.close();
        assertThat(client.pull(FakeHub.NAME)).isEqualTo(folder);
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> hub.client(cache.resolve("other")).pull(FakeHub.NAME))
                .withMessageContaining("cannot be looked up at " + hub.endpoint() + ": no connection")
                .matches(HubException::isTemporary);
    }

    // Where a company lets programs out through a proxy only; and a token does not go there in the clear.
    @Test
    void proxy_isAskedForWhatIsNotOnThisMachine() throws IOException {
        HubSettings settings = hub.settings(
                        cache, Map.of("http_proxy", hub.endpoint().toString()))
                .withEndpoint(URI.create("http://hub.invalid"));
        assertSame(ZImageHub.builder(settings).build().pull(FakeHub.NAME), FakeHub.NEEDED);
        assertThat(hub.askedOf("hub")).isNotEmpty().allSatisfy(each -> {
            assertThat(each.header("Host")).isEqualTo("hub.invalid");
            assertThat(each.headers()).doesNotContainKey("Authorization");
        });
    }

    @Test
    void modelScope_fetchesIntoItsOwnCache_andFindsItsOlderLayouts() throws IOException {
        ZImageHub client = hub.client(cache);
        Path folder = client.pull("modelscope:" + FakeHub.NAME);

        assertThat(folder).isEqualTo(cache.resolve("models/Tongyi-MAI--Z-Image-Turbo/snapshots/master"));
        assertSame(folder, FakeHub.NEEDED);
        assertThat(client.find("modelscope:" + FakeHub.NAME)).contains(folder);
        assertThat(client.find(FakeHub.NAME))
                .as("the same model by its usual name")
                .contains(folder);
        assertThat(hub.askedOf("hub")).allSatisfy(each -> {
            assertThat(each.header("Authorization")).isEqualTo("Bearer " + FakeHub.TOKEN);
            assertThat(each.header("Cookie")).isEqualTo("m_session_id=" + FakeHub.TOKEN);
        });
        assertThat(hub.askedOf("files"))
                .isNotEmpty()
                .allSatisfy(each -> assertThat(each.headers()).doesNotContainKeys("Authorization", "Cookie"));
        hub.asked.clear();
        client.pull("modelscope:" + FakeHub.NAME);
        assertThat(hub.asked).hasSize(1);

        for (String older : List.of("models/Tongyi-MAI/Z-Image-Turbo", "hub/models/Tongyi-MAI/Z-Image-Turbo")) {
            Path moved = cache.resolve(older);
            Files.createDirectories(moved.getParent());
            Files.move(folder, moved);
            assertThat(client.find("modelscope:" + FakeHub.NAME)).contains(moved);
            Files.move(moved, folder);
        }
    }

    @Test
    void knownModels_areRequestsForTheirFiles() {
        assertThat(KnownModel.all()).extracting(KnownModel::key).doesNotHaveDuplicates();
        assertThat(KnownModel.all()).allSatisfy(each -> {
            PullRequest request = PullRequest.of(each.key());
            assertThat(request.name().id()).isEqualTo(each.repository());
            assertThat(request.only()).isEqualTo(each.file().isEmpty() ? List.of() : List.of(each.file()));
            assertThat(each.licence()).isNotBlank();
            assertThat(KnownModel.table()).contains(each.key(), each.licence(), each.repository());
        });
    }

    @Test
    void badSettings_areRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ZImageHub.builder().parallelFiles(0))
                .withMessage("parallelFiles must be between 1 and 32, but was 0");
        ZImageHub client = ZImageHub.builder(hub.settings(cache, Map.of()).withEndpoint(URI.create("hub")))
                .build();
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> client.pull(FakeHub.NAME))
                .withMessage("endpoint must be an address such as https://huggingface.co, but was \"hub\"");
    }
}
