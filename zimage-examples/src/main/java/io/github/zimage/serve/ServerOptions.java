package io.github.zimage.serve;

import io.github.zimage.ImageSize;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How a server shall be.
 *
 * @param host the address to listen on
 * @param port the port; 0 for any that is free
 * @param model the model's name in the API
 * @param concurrency how many requests are generated at once
 * @param queue how many may wait beside those
 * @param timeout how long one may take
 * @param apiKeys of which clients must show one; none if they need not
 * @param size width and height of a picture unless a request says otherwise, in pixels
 * @param maxPixels the most pixels a picture may have
 * @param maxCount the most pictures of a request
 * @param maxSteps the most steps of a request
 * @param drain how long what runs may go on when the server is told to end
 * @param publicUrl the address under which clients reach the server, without a slash at its end; null if that is its own
 * @param trustedProxies the addresses or networks of proxies that may say how clients reached them
 * @param corsOrigins the sites whose pages may call, each as a browser names it
 * @param loraFolder where the LoRAs are that requests can name, or null
 * @param upscalerFolder likewise of upscalers
 * @param controlled whether requests can have pictures to follow, so that their bodies may be large
 */
public record ServerOptions(
        String host,
        int port,
        String model,
        int concurrency,
        int queue,
        Duration timeout,
        List<String> apiKeys,
        int size,
        long maxPixels,
        int maxCount,
        int maxSteps,
        Duration drain,
        @Nullable URI publicUrl,
        List<String> trustedProxies,
        List<String> corsOrigins,
        @Nullable Path loraFolder,
        @Nullable Path upscalerFolder,
        boolean controlled) {

    /** Width and height are multiples of it. */
    static final int MULTIPLE = 16;

    /** @throws IllegalArgumentException if a value is out of its range; the message names all */
    public ServerOptions {
        apiKeys = List.copyOf(apiKeys);
        trustedProxies = List.copyOf(trustedProxies);
        corsOrigins = List.copyOf(corsOrigins);
        StringBuilder problems = new StringBuilder();
        check(problems, "host must not be blank", !host.isBlank());
        check(problems, "port must be between 0 and 65535, but was " + port, in(port, 0, 65535));
        check(problems, "concurrency must be between 1 and 64, but was " + concurrency, in(concurrency, 1, 64));
        check(problems, "queue must be between 0 and 10000, but was " + queue, in(queue, 0, 10_000));
        check(
                problems,
                "timeout must be between 1 s and 1 day, but was " + timeout.toSeconds() + " s",
                timeout.compareTo(Duration.ofSeconds(1)) >= 0 && timeout.compareTo(Duration.ofDays(1)) <= 0);
        check(
                problems,
                "an API key must have at least 16 characters, printable ones of ASCII without spaces",
                apiKeys.stream().allMatch(key -> key.matches("[!-~]{16,512}")));
        check(
                problems,
                "size must be between %d and %d, but was %d".formatted(MULTIPLE, ImageSize.MAX_SIDE, size),
                in(size, MULTIPLE, ImageSize.MAX_SIDE));
        check(problems, "size must be a multiple of %d, but was %d".formatted(MULTIPLE, size), size % MULTIPLE == 0);
        check(
                problems,
                "size %1$d, which is drawn where a request names none, must fit into the largest picture, but %1$d x %1$d are more than %2$d pixels"
                        .formatted(size, maxPixels),
                (long) size * size <= maxPixels);
        check(problems, "maxCount must be between 1 and 100, but was " + maxCount, in(maxCount, 1, 100));
        check(problems, "maxSteps must be between 1 and 1000, but was " + maxSteps, in(maxSteps, 1, 1000));
        check(
                problems,
                "the public URL must be an address such as https://pictures.example/zimage, but was " + publicUrl,
                publicUrl == null || isPublicUrl(publicUrl));
        for (String origin : corsOrigins) {
            check(
                    problems,
                    "an origin must be a site such as https://app.example, without a path, but was "
                            + JsonFields.shown(origin, 100),
                    origin.matches("https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\\[[0-9a-f:]+\\](:[0-9]{1,5})?"));
        }
        try {
            new AddressRanges(trustedProxies);
        } catch (IllegalArgumentException e) {
            check(problems, String.valueOf(e.getMessage()), false);
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(problems.toString());
        }
    }

    private static boolean isPublicUrl(URI url) {
        String scheme = String.valueOf(url.getScheme()).toLowerCase(Locale.ROOT);
        return (scheme.equals("http") || scheme.equals("https"))
                && url.getHost() != null
                && url.getPort() <= 65_535
                && url.getRawUserInfo() == null
                && url.getRawQuery() == null
                && url.getRawFragment() == null
                && !url.getRawPath().endsWith("/");
    }

    private static boolean in(int value, int min, int max) {
        return value >= min && value <= max;
    }

    private static void check(StringBuilder problems, String rule, boolean kept) {
        if (!kept) {
            problems.append(problems.isEmpty() ? "" : "; ").append(rule);
        }
    }

    /** Begins with a server for this machine, of pictures of 1024 x 1024. */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects options; what is not set is as {@code zimage serve} has it. */
    public static final class Builder {
        private String host = "127.0.0.1";
        private int port = 7860;
        private String model = "zimage";
        private int concurrency = 3;
        private int queue = 32;
        private Duration timeout = Duration.ofMinutes(5);
        private List<String> apiKeys = List.of();
        private int size = 1024;
        private long maxPixels = 1360L * 1360;
        private int maxCount = 4;
        private int maxSteps = 50;
        private Duration drain = Duration.ofSeconds(30);
        private @Nullable URI publicUrl;
        private List<String> trustedProxies = List.of();
        private List<String> corsOrigins = List.of();
        private @Nullable Path loraFolder;
        private @Nullable Path upscalerFolder;
        private boolean controlled;

        private Builder() {}

        public Builder host(String address) {
            this.host = address;
            return this;
        }

        public Builder port(int number) {
            this.port = number;
            return this;
        }

        public Builder model(String name) {
            this.model = name;
            return this;
        }

        public Builder concurrency(int requests) {
            this.concurrency = requests;
            return this;
        }

        public Builder queue(int requests) {
            this.queue = requests;
            return this;
        }

        public Builder timeout(Duration time) {
            this.timeout = time;
            return this;
        }

        public Builder apiKeys(List<String> keys) {
            this.apiKeys = List.copyOf(keys);
            return this;
        }

        public Builder size(int pixels) {
            this.size = pixels;
            return this;
        }

        public Builder maxPixels(long pixels) {
            this.maxPixels = pixels;
            return this;
        }

        public Builder maxCount(int pictures) {
            this.maxCount = pictures;
            return this;
        }

        public Builder maxSteps(int steps) {
            this.maxSteps = steps;
            return this;
        }

        public Builder drain(Duration time) {
            this.drain = time;
            return this;
        }

        public Builder publicUrl(@Nullable URI url) {
            this.publicUrl = url;
            return this;
        }

        public Builder trustedProxies(List<String> networks) {
            this.trustedProxies = List.copyOf(networks);
            return this;
        }

        public Builder corsOrigins(List<String> origins) {
            this.corsOrigins = List.copyOf(origins);
            return this;
        }

        public Builder loraFolder(@Nullable Path folder) {
            this.loraFolder = folder;
            return this;
        }

        public Builder upscalerFolder(@Nullable Path folder) {
            this.upscalerFolder = folder;
            return this;
        }

        /** Sets whether requests can have pictures to follow; false unless set. */
        public Builder controlled(boolean controlled) {
            this.controlled = controlled;
            return this;
        }

        /**
         * Returns the options.
         *
         * @throws IllegalArgumentException if a value is out of its range; the message names all
         */
        public ServerOptions build() {
            return new ServerOptions(
                    host,
                    port,
                    model,
                    concurrency,
                    queue,
                    timeout,
                    apiKeys,
                    size,
                    maxPixels,
                    maxCount,
                    maxSteps,
                    drain,
                    publicUrl,
                    trustedProxies,
                    corsOrigins,
                    loraFolder,
                    upscalerFolder,
                    controlled);
        }
    }
}
