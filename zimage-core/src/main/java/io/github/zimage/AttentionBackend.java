package io.github.zimage;

import io.github.zimage.internal.io.Given;
import java.util.Locale;

/**
 * The name of a way to compute attention.
 *
 * <p>Those below that do not say otherwise are there on the CPU; a module for graphics cards has {@code flash}, {@code math} and those
 * for cards. A backend that is named is meant for the transformer's device. Others come from providers of {@link io.github.zimage.spi.Attention} on the class
 * path or module path. All backends compute the same function and differ in speed, memory and rounding.
 *
 * @param name lower-case name, never blank
 */
public record AttentionBackend(String name) {

    /** Takes the fastest: on the CPU by measuring when the pipeline is built, on a card by what it can do. The default. */
    public static final AttentionBackend AUTO = new AttentionBackend("auto");

    /** LibTorch's {@code scaled_dot_product_attention}, which picks a kernel by itself. */
    public static final AttentionBackend SDPA = new AttentionBackend("sdpa");

    /** LibTorch's flash attention kernel, called directly. */
    public static final AttentionBackend FLASH = new AttentionBackend("flash");

    /** Matrix product, softmax, matrix product over all heads at once: simple, and hungry for memory. */
    public static final AttentionBackend MATH = new AttentionBackend("math");

    /** Head by head and query block by query block, so that the scores stay in the processor's cache. */
    public static final AttentionBackend BLOCKWISE = new AttentionBackend("blockwise");

    /** NVIDIA's cuDNN, on cards: the fastest on Hopper. */
    public static final AttentionBackend CUDNN = new AttentionBackend("cudnn");

    /** LibTorch's kernel for all types and cards, on cards. */
    public static final AttentionBackend MEM_EFFICIENT = new AttentionBackend("mem_efficient");

    /**
     * Checks the name and turns it to lower case.
     *
     * @throws IllegalArgumentException if the name is blank
     */
    public AttentionBackend {
        name = Given.value(name, "name").strip().toLowerCase(Locale.ROOT);
        if (name.isEmpty()) {
            throw new IllegalArgumentException("attention backend name must not be blank");
        }
    }
}
