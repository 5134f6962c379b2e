package io.github.zimage.serve;

import io.github.zimage.GenerationRequest;
import java.security.SecureRandom;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Makes requests from JSON, within the server's limits. */
final class RequestReader {
    static final int MAX_PROMPT = 8000;

    /** How wide a picture is, beside the usual. */
    static final Map<String, Double> QUALITIES = Map.of("draft", 0.75, "publish", 1.0, "print", 1.25);

    private static final Pattern SIZE = Pattern.compile("([0-9]{1,5})x([0-9]{1,5})");
    private static final int MULTIPLE = 16;

    private final ServerOptions options;
    private final SecureRandom seeds = new SecureRandom();

    RequestReader(ServerOptions options) {
        this.options = options;
    }

    /** Returns the side of a square picture of a quality. */
    int side(String quality) {
        double side = options.size() * Objects.requireNonNull(QUALITIES.get(quality));
        return (int) Math.max(1, Math.round(side / MULTIPLE)) * MULTIPLE;
    }

    /**
     * Reads what all interfaces have in common. The seed is chosen now if it was left open, so that the pictures stay the same if they are
     * begun again.
     *
     * @param quality the size to draw where it says none
     * @param countName what the number of pictures is called
     */
    GenerationRequest read(JsonFields fields, String quality, String countName) {
        String prompt = fields.text("prompt", MAX_PROMPT);
        if (prompt == null) {
            throw ApiException.badParameter("prompt", "prompt must say what to draw, but was missing");
        }
        int[] size = size(fields.text("size", 100), quality);
        GenerationRequest.Builder builder = GenerationRequest.builder()
                .prompt(prompt)
                .size(size[0], size[1])
                .count(fields.integer(countName, 1, options.maxCount(), 1))
                .steps(fields.integer(
                        "steps", 1, options.maxSteps(), Math.min(GenerationRequest.DEFAULT_STEPS, options.maxSteps())))
                .guidance(fields.number("guidance", 0, 100, 0));
        String negative = fields.text("negative_prompt", MAX_PROMPT);
        if (negative != null) {
            builder.negativePrompt(negative);
        }
        Long seed = fields.integer("seed", 0L, Long.MAX_VALUE - options.maxCount());
        builder.seed(seed == null ? seeds.nextLong() >>> 32 : seed);
        return builder.build();
    }

    private int[] size(@Nullable String size, String quality) {
        int width = side(quality);
        int height = width;
        if (size != null && !size.equals("auto")) {
            Matcher matcher = SIZE.matcher(size);
            if (!matcher.matches()) {
                throw ApiException.badParameter(
                        "size",
                        "size must be auto, or width and height as in %1$dx%1$d, but was '%2$s'"
                                .formatted(options.size(), JsonFields.shown(size, 40)));
            }
            width = Integer.parseInt(matcher.group(1));
            height = Integer.parseInt(matcher.group(2));
        }
        if ((long) width * height > options.maxPixels()) {
            throw ApiException.badParameter(
                    "size",
                    "a picture may have %d pixels here, as many as %2$d x %2$d has, but %3$d x %4$d were asked for"
                            .formatted(
                                    options.maxPixels(),
                                    (long) Math.sqrt((double) options.maxPixels()),
                                    width,
                                    height));
        }
        return new int[] {width, height};
    }
}
