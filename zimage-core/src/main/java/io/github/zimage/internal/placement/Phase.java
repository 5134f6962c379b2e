package io.github.zimage.internal.placement;

import io.github.zimage.Component;

/**
 * A part of a generation. The parts need memory one after the other. The constants are those of a generation.
 *
 * @param id its name in plans and events, such as {@code text}
 * @param doing what happens in it, for people, such as {@code encoding prompts}
 * @param component the component whose device it runs on; others may run beside it
 */
public record Phase(String id, String doing, Component component) {
    /** Prompts to embeddings. */
    public static final Phase TEXT = new Phase("text", "encoding prompts", Component.TEXT_ENCODER);
    /** Pictures to latents, for those that start from a picture. */
    public static final Phase ENCODE = new Phase("encode", "encoding pictures", Component.VAE_ENCODER);
    /** Embeddings and noise to latents. */
    public static final Phase DENOISE = new Phase("denoise", "denoising", Component.TRANSFORMER);
    /** Latents to pictures. */
    public static final Phase DECODE = new Phase("decode", "decoding", Component.VAE);
    /** Pictures to larger ones, for requests that name an upscaler. */
    public static final Phase UPSCALE = new Phase("upscale", "upscaling", Component.UPSCALER);
}
