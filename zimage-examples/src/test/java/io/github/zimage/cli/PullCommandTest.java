package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.zimage.demo.DemoModel;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Downloads by the command, of the demo model from a hub on this machine. */
final class PullCommandTest {
    private static final String NAME = "test/demo-model";
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    private static final Map<String, byte[]> FILES = new TreeMap<>();
    private static final List<String> ASKED = new CopyOnWriteArrayList<>();
    private static HttpServer server;

    @TempDir
    Path folder;

    @BeforeAll
    static void startHub() throws IOException {
        Path model = DemoModel.path();
        try (Stream<Path> files = Files.walk(model)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                FILES.put(model.relativize(file).toString(), Files.readAllBytes(file));
            }
        }
        server = HttpServer.create(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        }));
        server.createContext("/", PullCommandTest::answer);
        server.start();
    }

    @AfterAll
    static void stopHub() {
        server.stop(0);
    }

    private static void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            ASKED.add(path);
            byte[] content;
            if (path.endsWith("/revision/main")) {
                content = ("{\"sha\":\"" + COMMIT + "\"}").getBytes(StandardCharsets.UTF_8);
            } else if (path.endsWith("/tree/" + COMMIT)) {
                content = list().getBytes(StandardCharsets.UTF_8);
            } else {
                content = FILES.get(path.replaceFirst(".*/resolve/" + COMMIT + "/", ""));
            }
            if (content == null || !path.contains(NAME)) {
                exchange.getResponseHeaders().set("X-Error-Code", "RepoNotFound");
                exchange.sendResponseHeaders(401, -1);
            } else {
                exchange.sendResponseHeaders(200, content.length);
                exchange.getResponseBody().write(content);
            }
        }
    }

    private static String list() {
        StringBuilder list = new StringBuilder("[");
        FILES.forEach((path, content) -> list.append(list.length() > 1 ? "," : "")
                .append("{\"type\":\"file\",\"path\":\"%s\",\"size\":%d,\"lfs\":{\"oid\":\"%s\",\"size\":%d}}"
                        .formatted(path, content.length, sha256(content), content.length)));
        return list.append("]").toString();
    }

    private static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private MainTest.Run run(String... args) throws Exception {
        return runWith(variables -> {}, args);
    }

    /** In a JVM of its own, which is what has an environment. */
    private MainTest.Run runWith(Consumer<Map<String, String>> more, String... args) throws Exception {
        ASKED.clear();
        return MainTest.runIn(
                folder,
                variables -> {
                    variables.keySet().removeIf(name -> name.startsWith("HF_") || name.equals("ZIMAGE_MODEL"));
                    variables.put("HF_HOME", folder.resolve("hf").toString());
                    variables.put(
                            "HF_ENDPOINT",
                            "http://127.0.0.1:" + server.getAddress().getPort());
                    more.accept(variables);
                },
                args);
    }

    private Path snapshot() {
        return folder.resolve("hf/hub/models--test--demo-model/snapshots").resolve(COMMIT);
    }

    @Test
    void pull_printsThePlan_thePath_andWhatWasFetched() throws Exception {
        MainTest.Run dry = run("pull", NAME, "--dry-run");
        assertThat(dry.code()).as(dry.out()).isZero();
        assertThat(dry.out()).contains("transformer/config.json").contains("MB to fetch, in " + snapshot());
        assertThat(folder).isEmptyDirectory();

        MainTest.Run run = run("pull", NAME);
        assertThat(run.code()).as(run.out()).isZero();
        assertThat(run.out())
                .startsWith("zimage: test/demo-model at 0123456789ab: ")
                .contains("zimage: downloaded and checked ")
                .endsWith(snapshot() + System.lineSeparator());
        assertThat(snapshot().resolve("vae/config.json")).hasBinaryContent(FILES.get("vae/config.json"));
        assertThat(run("pull", NAME, "--only", "vae", "--to", "part").out())
                .endsWith(folder.resolve("part") + System.lineSeparator());
        assertThat(folder.resolve("part")).isDirectoryNotContaining("glob:**/transformer");
    }

    // Whoever draws in a script must neither be asked nor have 33 GB downloaded that he did not ask for.
    @Test
    void generate_nameThatIsNotHere_isRefusedWithTheCommandThatDownloads() throws Exception {
        MainTest.Run run = run("generate", "--model", NAME, "a fox");
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.out())
                .isEqualTo("zimage: test/demo-model is no folder here, and not whole in the cache of a hub: download it"
                        + " with: zimage pull test/demo-model (or pass --yes)" + System.lineSeparator());
        run = runWith(variables -> variables.put("HF_HUB_OFFLINE", "1"), "generate", "--model", NAME, "--yes", "a fox");
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.out()).contains("may not be downloaded, since HF_HUB_OFFLINE is set");
        assertThat(ASKED).isEmpty();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void generate_withYes_downloadsOnce_andDraws() throws Exception {
        String[] draw = {"generate", "--model", NAME, "--yes", "a fox", "--size=128", "--steps=1", "--out=fox.png"};
        MainTest.Run run = run(draw);
        assertThat(run.code()).as(run.out()).isZero();
        assertThat(folder.resolve("fox.png")).isNotEmptyFile();
        assertThat(ASKED).hasSizeGreaterThan(10);

        run = runWith(variables -> variables.put("ZIMAGE_MODEL", NAME), "generate", "a fox", "--plan");
        assertThat(run.code()).as(run.out()).isZero();
        assertThat(ASKED).isEmpty();
    }

    // Scripts decide by the code whether another attempt makes sense.
    @Test
    void failures_haveTheirCodes() throws Exception {
        MainTest.Run run = run("pull", "test/other");
        assertThat(run.code()).as(run.out()).isEqualTo(3);
        assertThat(run.out()).startsWith("zimage: there is no model test/other at http://127.0.0.1:");
        run = runWith(variables -> variables.put("HF_ENDPOINT", "http://127.0.0.1:1"), "pull", NAME);
        assertThat(run.code()).as(run.out()).isEqualTo(1);
        assertThat(run.out())
                .startsWith("zimage: the list of files is asked for again in 1 s: no connection")
                .contains("zimage: test/demo-model cannot be looked up at http://127.0.0.1:1: no connection");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "pull          | nothing to download: give a name, such as Tongyi-MAI/Z-Image-Turbo, or --list",
                "pull turbo2   | a model's name must be OWNER/NAME, OWNER/NAME@REVISION or modelscope:OWNER/NAME, but was \"turbo2\"",
                "pull a/b@..   | a revision must be a branch, a tag or a commit, but was \"..\"",
                "pull a/b --to | Missing required parameter for option '--to' (DIR)",
            })
    void badCommandLines_areRefused(String line, String message) {
        MainTest.Run run = MainTest.run(line.split(" +", -1));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).startsWith("zimage: " + message);
    }

    @Test
    void list_namesLicences() {
        MainTest.Run run = MainTest.run("pull", "--list");
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("taef1 ", "MIT", "BSD 3-Clause", "Tongyi-MAI/Z-Image-Turbo");
    }
}
