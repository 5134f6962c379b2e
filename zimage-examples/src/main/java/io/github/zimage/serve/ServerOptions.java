package io.github.zimage.serve;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a server shall be.
 *
 * @param host the address to listen on
 * @param port the port; 0 for any that is free
 * @param model the model's name in the API
 * @param concurrency how many requests are drawn at once
 * @param queue how many may wait beside those
 * @param timeout how long one may be drawn
 * @param apiKey what clients must show; null if nothing
 * @param size width and height of a picture unless a request says otherwise
 * @param maxPixels the most pixels a picture may have
 * @param maxCount the most pictures of a request
 * @param maxSteps the most steps of a request
 * @param drain how long what runs may go on when the server is told to end
 */
public record ServerOptions(
        String host,
        int port,
        String model,
        int concurrency,
        int queue,
        Duration timeout,
        @Nullable String apiKey,
        int size,
        long maxPixels,
        int maxCount,
        int maxSteps,
        Duration drain) {

    /** @throws IllegalArgumentException if a value is out of its range; the message names all */
    public ServerOptions {
        StringBuilder problems = new StringBuilder();
        check(problems, "host must not be blank", !host.isBlank());
        check(problems, "port must be between 0 and 65535, but was " + port, port >= 0 && port <= 65535);
        check(problems, "concurrency must be between 1 and 64, but was " + concurrency, in(concurrency, 1, 64));
        check(problems, "queue must be between 0 and 10000, but was " + queue, in(queue, 0, 10_000));
        check(
                problems,
                "timeout must be between 1 s and 1 day, but was " + timeout.toSeconds() + " s",
                timeout.compareTo(Duration.ofSeconds(1)) >= 0 && timeout.compareTo(Duration.ofDays(1)) <= 0);
        check(
                problems,
                "an API key must have at least 16 characters, printable ones of ASCII without spaces",
                apiKey == null || apiKey.matches("[!-~]{16,512}"));
        check(problems, "maxCount must be between 1 and 100, but was " + maxCount, in(maxCount, 1, 100));
        check(problems, "maxSteps must be between 1 and 1000, but was " + maxSteps, in(maxSteps, 1, 1000));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(problems.toString());
        }
    }

    private static boolean in(int value, int min, int max) {
        return value >= min && value <= max;
    }

    private static void check(StringBuilder problems, String rule, boolean kept) {
        if (!kept) {
            problems.append(problems.isEmpty() ? "" : "; ").append(rule);
        }
    }
}
