package io.github.zimage.serve;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * What the server adds to a request: the time from sending it to having the whole answer, where drawing takes no time. The picture
 * has 1.5 MB, as many as one of 1024 x 1024 has as PNG. docs/service.md has the command.
 */
final class HttpOverhead {
    private static final int PICTURE_BYTES = 1_500_000;
    private static final int WARM_UP = 3000;
    private static final int REQUESTS = 5000;
    /** What the server may add for a client that is alone, in the median. */
    private static final double MOST_MILLIS = 2;

    private static final String BODY =
            "{\"prompt\": \"a fox\", \"size\": \"1024x1024\", \"seed\": 1, \"response_format\": \"%s\"}";

    private HttpOverhead() {}

    /** Measures, and prints; exits with 1 if it adds too much. */
    public static void main(String[] args) throws Exception {
        byte[] png = new byte[PICTURE_BYTES];
        new Random(1).nextBytes(png);
        boolean within = true;
        try (ImageServer server = new ImageServer(
                ServerOptions.builder()
                        .port(0)
                        .model("stub")
                        .concurrency(3)
                        .queue(100)
                        .timeout(Duration.ofMinutes(5))
                        .size(1024)
                        .maxPixels(1024 * 1024)
                        .maxCount(4)
                        .maxSteps(50)
                        .drain(Duration.ofSeconds(5))
                        .build(),
                MemoryBound.NONE,
                () -> new AtOnce(png),
                why -> {})) {
            int port = server.listen();
            server.open();
            URI uri = URI.create("http://127.0.0.1:" + port);
            for (String format : List.of("url", "b64_json")) {
                HttpRequest request = HttpRequest.newBuilder(uri.resolve("/v1/images/generations"))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(BODY.formatted(format)))
                        .build();
                for (int clients : new int[] {1, 8}) {
                    measure(request, clients, WARM_UP);
                    long start = System.nanoTime();
                    long[] nanos = measure(request, clients, REQUESTS);
                    report(format, clients, nanos, (System.nanoTime() - start) / 1e9);
                    within &= clients > 1 || nanos[nanos.length / 2] / 1e6 <= MOST_MILLIS;
                }
            }
        }
        if (!within) {
            System.out.printf("more than %.1f ms for a client that is alone%n", MOST_MILLIS);
            System.exit(1);
        }
    }

    private static long[] measure(HttpRequest request, int clients, int requests) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(clients);
        HttpClient http =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        try {
            List<Future<long[]>> all = IntStream.range(0, clients)
                    .mapToObj(client -> threads.submit(() -> {
                        long[] nanos = new long[requests / clients];
                        for (int i = 0; i < nanos.length; i++) {
                            long start = System.nanoTime();
                            HttpResponse<byte[]> answer = http.send(request, HttpResponse.BodyHandlers.ofByteArray());
                            nanos[i] = System.nanoTime() - start;
                            if (answer.statusCode() != 200) {
                                throw new IOException("answered with " + answer.statusCode());
                            }
                        }
                        return nanos;
                    }))
                    .toList();
            return all.stream().flatMapToLong(HttpOverhead::get).sorted().toArray();
        } finally {
            threads.shutdownNow();
        }
    }

    private static LongStream get(Future<long[]> future) {
        try {
            return Arrays.stream(future.get());
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void report(String format, int clients, long[] nanos, double seconds) {
        System.out.printf(
                "%-8s, clients %d: p50 %.2f ms, p95 %.2f ms, p99 %.2f ms; %.2f ms for each in all%n",
                format,
                clients,
                nanos[nanos.length / 2] / 1e6,
                nanos[nanos.length * 95 / 100] / 1e6,
                nanos[nanos.length * 99 / 100] / 1e6,
                1000 * seconds / nanos.length);
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record AtOnce(byte[] png) implements ImageBackend {
        @Override
        public void warmUp(BiConsumer<GenerationRequest, Duration> stepped) {}

        @Override
        public void check(GenerationRequest request) {}

        @Override
        public CompletableFuture<List<EncodedImage>> generate(GenerationRequest request, GenerationListener listener) {
            return CompletableFuture.completedFuture(
                    List.of(new EncodedImage(png, request.width(), request.height(), request.seedOf(0))));
        }

        @Override
        public void trim() {}

        @Override
        public boolean shrink() {
            return false;
        }

        @Override
        public long peakBytes() {
            return 1;
        }

        @Override
        public void close() {}
    }
}
