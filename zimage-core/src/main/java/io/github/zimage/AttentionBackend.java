package io.github.zimage;

import java.util.Locale;
import java.util.Objects;

/**
 * The name of a way to compute attention.
 *
 * <p>The names below are always there; others come from providers of {@link io.github.zimage.spi.Attention} on the class
 * path or module path. All backends compute the same function and differ in speed, memory and rounding.
 *
 * @param name lower-case name, never blank
 */
public record AttentionBackend(String name) {

    /** Measures the backends of this machine when the pipeline is built, and takes the fastest. The default. */
    public static final AttentionBackend AUTO = new AttentionBackend("auto");

    /** LibTorch's {@code scaled_dot_product_attention}, which picks a kernel by itself. */
    public static final AttentionBackend SDPA = new AttentionBackend("sdpa");

    /** LibTorch's flash attention kernel, called directly. */
    public static final AttentionBackend FLASH = new AttentionBackend("flash");

    /** Matrix product, softmax, matrix product over all heads at once: simple, and hungry for memory. */
    public static final AttentionBackend MATH = new AttentionBackend("math");

    /** Head by head and query block by query block, so that the scores stay in the processor's cache. */
    public static final AttentionBackend BLOCKWISE = new AttentionBackend("blockwise");

    /**
     * Checks the name and turns it to lower case.
     *
     * @throws IllegalArgumentException if the name is blank
     */
    public AttentionBackend {
        Objects.requireNonNull(name, "name");
        name = name.strip().toLowerCase(Locale.ROOT);
        if (name.isEmpty()) {
            throw new IllegalArgumentException("attention backend name must not be blank");
        }
    }
}
