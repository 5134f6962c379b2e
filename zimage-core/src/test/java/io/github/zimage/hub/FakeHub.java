package io.github.zimage.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.zimage.internal.hub.HubSettings;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;

/**
 * A hub on this machine: as Hugging Face's, a server that knows what there is, and another one, at another port, that large files are
 * redirected to; and ModelScope's API on the first. What each answer does wrong can be ordered.
 */
final class FakeHub implements AutoCloseable {
    static final String NAME = "Tongyi-MAI/Z-Image-Turbo";
    static final String COMMIT = "f332072aa78be7aecdf3ee76d5c247082da564a6";
    static final String TOKEN = "hf_secretSecretSecret";
    /** From which length on a file is given by the other server. */
    static final int LARGE = 2000;

    private static final int PIECE = 20_000;

    /** What goes wrong with one answer. */
    interface Fault {
        /** Answers in place of the server, or returns false to have it answer as it would. */
        boolean answer(HttpExchange exchange, byte[] content) throws IOException;
    }

    /**
     * A question that was asked.
     *
     * @param server {@code hub} or {@code files}
     */
    record Asked(String server, String path, Map<String, List<String>> headers) {
        String header(String name) {
            return headers.getOrDefault(name, List.of("")).get(0);
        }
    }

    final Map<String, byte[]> files = new TreeMap<>();
    final List<Asked> asked = new CopyOnWriteArrayList<>();
    final List<Duration> pauses = new CopyOnWriteArrayList<>();
    private final Map<String, Deque<Fault>> faults = new ConcurrentHashMap<>();
    private final HttpServer hub = server("hub");
    private final HttpServer large = server("files");
    private final ExecutorService threads = Executors.newCachedThreadPool();

    /** How long the server of large files waits after each piece. */
    volatile int millisPerPiece;

    volatile String commit = COMMIT;
    volatile int pageLength = 1000;
    volatile String listedDigest = "";

    FakeHub() {
        for (HttpServer server : List.of(hub, large)) {
            server.setExecutor(threads);
            server.start();
        }
    }

    /** Returns one with a small checkpoint, and with files that nobody needs. */
    static FakeHub withCheckpoint() {
        FakeHub hub = new FakeHub();
        hub.put("model_index.json", 467);
        hub.put("README.md", 3000);
        hub.put("assets/showcase.jpg", 5000);
        hub.put("scheduler/scheduler_config.json", 173);
        hub.put("tokenizer/tokenizer.json", 9000);
        hub.put("tokenizer/tokenizer_config.json", 900);
        hub.put("tokenizer/vocab.json", 4000);
        hub.put("tokenizer/merges.txt", 4000);
        hub.put("text_encoder/config.json", 700);
        hub.putShards("text_encoder/model", 3, 40_000);
        hub.put("transformer/config.json", 400);
        hub.putShards("transformer/diffusion_pytorch_model", 2, 300_000);
        hub.put("transformer/diffusion_pytorch_model.bf16.safetensors", 300_000);
        hub.put("vae/config.json", 600);
        hub.put("vae/diffusion_pytorch_model.safetensors", 50_000);
        hub.put("vae/diffusion_pytorch_model.bin", 50_000);
        return hub;
    }

    /** Of the checkpoint, those that are needed. */
    static final List<String> NEEDED = List.of(
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model-00001-of-00003.safetensors",
            "text_encoder/model-00002-of-00003.safetensors",
            "text_encoder/model-00003-of-00003.safetensors",
            "text_encoder/model.safetensors.index.json",
            "tokenizer/tokenizer.json",
            "tokenizer/tokenizer_config.json",
            "transformer/config.json",
            "transformer/diffusion_pytorch_model-00001-of-00002.safetensors",
            "transformer/diffusion_pytorch_model-00002-of-00002.safetensors",
            "transformer/diffusion_pytorch_model.safetensors.index.json",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors");

    void put(String path, int length) {
        byte[] bytes = new byte[length];
        new Random(path.hashCode()).nextBytes(bytes);
        files.put(path, bytes);
    }

    private void putShards(String stem, int count, int length) {
        List<String> entries = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            String shard = "%s-%05d-of-%05d.safetensors".formatted(stem, i, count);
            put(shard, length);
            entries.add("\"w%d\":\"%s\"".formatted(i, shard.substring(shard.indexOf('/') + 1)));
        }
        String index = "{\"metadata\":{},\"weight_map\":{" + String.join(",", entries) + "}}";
        files.put(stem + ".safetensors.index.json", index.getBytes(StandardCharsets.UTF_8));
    }

    /** Orders faults for the next answers about a path: of a file, or that of a question to the API. */
    void fail(String path, Fault... next) {
        faults.computeIfAbsent(path, key -> new ArrayDeque<>()).addAll(Arrays.asList(next));
    }

    int unusedFaults() {
        return faults.values().stream().mapToInt(Deque::size).sum();
    }

    /** Returns what a client is that knows this hub only, and doesn't wait between its attempts. */
    HubSettings settings(Path cache, Map<String, String> variables) {
        Map<String, String> all = new HashMap<>(Map.of("HF_TOKEN", TOKEN, "MODELSCOPE_API_TOKEN", TOKEN));
        all.putAll(variables);
        return new HubSettings(
                name -> all.getOrDefault(name, ""),
                cache.resolve("home"),
                endpoint(),
                null,
                cache,
                null,
                4,
                pauses::add,
                Duration.ofSeconds(20));
    }

    ZImageHub client(Path cache) {
        return ZImageHub.builder(settings(cache, Map.of())).build();
    }

    URI endpoint() {
        return address(hub);
    }

    URI filesAddress() {
        return address(large);
    }

    private static URI address(HttpServer server) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    List<Asked> askedOf(String server) {
        return asked.stream().filter(each -> each.server().equals(server)).toList();
    }

    /** Returns the questions for a file's content to the server that has it. */
    List<Asked> askedFor(String path) {
        String which = files.get(path).length >= LARGE ? "files" : "hub";
        return askedOf(which).stream()
                .filter(each -> each.path().endsWith(path))
                .toList();
    }

    private HttpServer server(String name) {
        try {
            HttpServer server =
                    HttpServer.create(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), 0), 0);
            server.createContext("/", exchange -> {
                try {
                    asked.add(new Asked(
                            name, exchange.getRequestURI().getPath(), Map.copyOf(exchange.getRequestHeaders())));
                    answer(name, exchange);
                } catch (IOException e) {
                    // whoever asked went away
                } finally {
                    exchange.close();
                }
            });
            return server;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void answer(String server, HttpExchange exchange) throws IOException {
        URI uri = exchange.getRequestURI();
        String path = uri.getPath();
        String query = uri.getQuery() == null ? "" : uri.getQuery();
        String model = "/api/models/" + NAME;
        if (server.equals("files")) {
            give(exchange, path.substring(1), true);
        } else if (path.startsWith(model + "/revision/")) {
            json(exchange, "revision", "{\"sha\":\"" + commit + "\"}");
        } else if (path.startsWith(model + "/tree/")) {
            json(exchange, "tree", tree(exchange, query));
        } else if (path.startsWith("/" + NAME + "/resolve/")) {
            resolve(exchange, path.substring(("/" + NAME + "/resolve/" + COMMIT + "/").length()));
        } else if (path.equals("/api/v1/models/" + NAME + "/repo/files")) {
            json(exchange, "files", modelScopeList());
        } else if (path.equals("/api/v1/models/" + NAME + "/repo")) {
            String file = URLDecoder.decode(query.replaceFirst(".*FilePath=", ""), StandardCharsets.UTF_8);
            redirect(exchange, file);
        } else {
            exchange.getResponseHeaders().set("X-Error-Code", "RepoNotFound");
            exchange.sendResponseHeaders(401, -1);
        }
    }

    private void resolve(HttpExchange exchange, String path) throws IOException {
        byte[] content = files.get(path);
        exchange.getResponseHeaders().set("X-Repo-Commit", commit);
        if (content.length < LARGE) {
            give(exchange, path, false);
            return;
        }
        exchange.getResponseHeaders().set("X-Linked-ETag", '"' + digest(path) + '"');
        exchange.getResponseHeaders().set("X-Linked-Size", String.valueOf(content.length));
        redirect(exchange, path);
    }

    private void redirect(HttpExchange exchange, String path) throws IOException {
        if (!fault("redirect " + path, exchange)) {
            exchange.getResponseHeaders().set("Location", filesAddress() + "/" + path + "?signature=abc");
            exchange.sendResponseHeaders(302, -1);
        }
    }

    private boolean fault(String path, HttpExchange exchange) throws IOException {
        Deque<Fault> queue = faults.get(path);
        Fault next = queue == null ? null : queue.poll();
        return next != null && next.answer(exchange, files.getOrDefault(path, new byte[0]));
    }

    private void give(HttpExchange exchange, String path, boolean ranges) throws IOException {
        if (fault(path, exchange)) {
            return;
        }
        byte[] content = files.get(path);
        if (ranges) {
            exchange.getResponseHeaders().set("ETag", "\"cdn-" + digest(path).substring(0, 8) + '"');
        }
        send(exchange, content, ranges ? millisPerPiece : 0);
    }

    /** Sends content, or the part of it that was asked for. */
    static void send(HttpExchange exchange, byte[] content) throws IOException {
        send(exchange, content, 0);
    }

    private static void send(HttpExchange exchange, byte[] content, int millis) throws IOException {
        String range = exchange.getRequestHeaders().getFirst("Range");
        String condition = exchange.getRequestHeaders().getFirst("If-Range");
        String tag = exchange.getResponseHeaders().getFirst("ETag");
        boolean part = range != null && (condition == null || condition.equals(tag));
        int start = part ? Integer.parseInt(range.replaceAll("bytes=(\\d+)-", "$1")) : 0;
        if (start > 0) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes %d-%d/%d".formatted(start, content.length - 1, content.length));
        }
        int length = content.length - start;
        exchange.sendResponseHeaders(start > 0 ? 206 : 200, length == 0 ? -1 : length);
        try (OutputStream out = exchange.getResponseBody()) {
            int piece = millis == 0 ? Math.max(1, length) : PIECE;
            for (int sent = start; sent < content.length; sent += piece) {
                out.write(content, sent, Math.min(piece, content.length - sent));
                out.flush();
                LockSupport.parkNanos(millis * 1_000_000L);
            }
        }
    }

    private void json(HttpExchange exchange, String what, String text) throws IOException {
        if (!fault(what, exchange)) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
        }
    }

    private String tree(HttpExchange exchange, String query) {
        int from = query.contains("cursor=") ? Integer.parseInt(query.replaceFirst(".*cursor=", "")) : 0;
        List<String> paths = new ArrayList<>(files.keySet());
        int to = Math.min(paths.size(), from + pageLength);
        if (to < paths.size()) {
            String next = endpoint() + exchange.getRequestURI().getPath() + "?recursive=true&cursor=" + to;
            exchange.getResponseHeaders().set("Link", "<" + next + ">; rel=\"next\"");
        }
        List<String> entries =
                new ArrayList<>(List.of("{\"type\":\"directory\",\"path\":\"vae\",\"size\":0,\"oid\":\"x\"}"));
        for (String path : paths.subList(from, to)) {
            int size = files.get(path).length;
            String pointer = ",\"lfs\":{\"oid\":\"%s\",\"size\":%d}".formatted(digest(path), size);
            entries.add("{\"type\":\"file\",\"path\":\"%s\",\"size\":%d,\"oid\":\"%s\"%s}"
                    .formatted(
                            path.replace("\\", "\\\\").replace("\0", "\\u0000"),
                            size,
                            size < LARGE ? digest(path) : COMMIT,
                            size < LARGE ? "" : pointer));
        }
        return "[" + String.join(",", entries) + "]";
    }

    private String modelScopeList() {
        List<String> entries = new ArrayList<>(List.of("{\"Type\":\"tree\",\"Path\":\"vae\"}"));
        files.forEach((path, content) -> entries.add("{\"Type\":\"blob\",\"Path\":\"%s\",\"Size\":%d,\"Sha256\":\"%s\"}"
                .formatted(path, content.length, hex("SHA-256", content))));
        return "{\"Code\":200,\"Success\":true,\"Data\":{\"Files\":[" + String.join(",", entries) + "]}}";
    }

    /** Returns what the hub says is the digest of a file. */
    String digest(String path) {
        byte[] content = files.get(path);
        if (!listedDigest.isEmpty() && path.startsWith("vae/diff")) {
            return listedDigest;
        }
        return content.length >= LARGE ? hex("SHA-256", content) : git(content);
    }

    static String git(byte[] content) {
        byte[] header = ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] all = Arrays.copyOf(header, header.length + content.length);
        System.arraycopy(content, 0, all, header.length, content.length);
        return hex("SHA-1", all);
    }

    private static String hex(String algorithm, byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        large.stop(0);
        threads.shutdownNow();
    }

    /** What can go wrong with an answer. */
    static final class Faults {
        private Faults() {}

        /** The connection is cut after some bytes of what was asked for. */
        static Fault cutAfter(int bytes) {
            return (exchange, content) -> {
                String range = exchange.getRequestHeaders().getFirst("Range");
                int start = range == null ? 0 : Integer.parseInt(range.replaceAll("bytes=(\\d+)-", "$1"));
                if (start > 0) {
                    exchange.getResponseHeaders()
                            .set(
                                    "Content-Range",
                                    "bytes %d-%d/%d".formatted(start, content.length - 1, content.length));
                }
                exchange.sendResponseHeaders(start > 0 ? 206 : 200, content.length - start);
                exchange.getResponseBody().write(content, start, bytes);
                exchange.getResponseBody().flush();
                return true; // closing the exchange now cuts it
            };
        }

        static Fault status(int status, String... headers) {
            return (exchange, content) -> {
                for (int i = 0; i < headers.length; i += 2) {
                    exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
                }
                exchange.sendResponseHeaders(status, -1);
                return true;
            };
        }

        /** Other content, under the same headers. */
        static Fault damaged() {
            return (exchange, content) -> {
                byte[] other = content.clone();
                other[other.length / 2] ^= 1;
                send(exchange, other);
                return true;
            };
        }

        /** A whole answer of another length. */
        static Fault length(int difference) {
            return (exchange, content) -> {
                send(exchange, Arrays.copyOf(content, content.length + difference));
                return true;
            };
        }

        /** All of it, whatever part was asked for. */
        static Fault withoutRanges() {
            return (exchange, content) -> {
                exchange.sendResponseHeaders(200, content.length);
                exchange.getResponseBody().write(content);
                return true;
            };
        }

        /** Something before the server answers as it would. */
        static Fault first(Fault other) {
            return (exchange, content) -> {
                other.answer(exchange, content);
                return false;
            };
        }
    }
}
