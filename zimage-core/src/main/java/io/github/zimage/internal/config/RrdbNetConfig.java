package io.github.zimage.internal.config;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The shape of an upscaler: ESRGAN's network of residual-in-residual dense blocks (RRDBNet), as BasicSR writes it.
 *
 * @param unshuffle the side of the squares of pixels that become channels at first: 1, 2 or 4
 * @param features the channels between blocks
 * @param growth the channels that each convolution within a dense block adds
 * @param blocks how many residual-in-residual dense blocks there are
 * @param doublings how often width and height are doubled at the end
 */
public record RrdbNetConfig(int unshuffle, int features, int growth, int blocks, int doublings) {
    /** Red, green and blue. */
    public static final int BANDS = 3;

    /** The dense blocks in a residual-in-residual one. */
    public static final int DENSE_BLOCKS = 3;

    /** The convolutions in a dense block. */
    public static final int CONVOLUTIONS = 5;

    private static final int KERNEL = 3;
    private static final long MOST_PIXELS = 1 << 28;

    /** Returns how many times as wide and high pictures become. */
    public int scale() {
        return (1 << doublings) / unshuffle;
    }

    /** Returns why a picture cannot be enlarged, or null if it can. */
    public @Nullable String problem(int width, int height) {
        long pixels = (long) width * height * scale() * scale();
        return pixels <= MOST_PIXELS
                ? null
                : "an enlarged picture can have at most %d pixels, but %d x %d times %d has %d"
                        .formatted(MOST_PIXELS, width, height, scale(), pixels);
    }

    /** Returns the channels of a dense block's convolutions: what comes in, and what those before have added. */
    public int denseChannels(int convolution) {
        return features + convolution * growth;
    }

    /** Returns how many numbers the weights have. */
    public long parameters() {
        return tensors().values().stream()
                .mapToLong(shape -> shape.stream().reduce(1L, Math::multiplyExact))
                .sum();
    }

    /** Returns the shapes of all weights by their names. */
    public Map<String, List<Long>> tensors() {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        convolution(tensors, "conv_first", (long) BANDS * unshuffle * unshuffle, features);
        for (int block = 0; block < blocks; block++) {
            for (int dense = 1; dense <= DENSE_BLOCKS; dense++) {
                for (int k = 1; k <= CONVOLUTIONS; k++) {
                    convolution(
                            tensors,
                            "body.%d.rdb%d.conv%d".formatted(block, dense, k),
                            denseChannels(k - 1),
                            k < CONVOLUTIONS ? growth : features);
                }
            }
        }
        convolution(tensors, "conv_body", features, features);
        for (int i = 1; i <= doublings; i++) {
            convolution(tensors, "conv_up" + i, features, features);
        }
        convolution(tensors, "conv_hr", features, features);
        convolution(tensors, "conv_last", features, BANDS);
        return tensors;
    }

    private static void convolution(Map<String, List<Long>> tensors, String name, long in, long out) {
        tensors.put(name + ".weight", List.of(out, in, (long) KERNEL, (long) KERNEL));
        tensors.put(name + ".bias", List.of(out));
    }
}
