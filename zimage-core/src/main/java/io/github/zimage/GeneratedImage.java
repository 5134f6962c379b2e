package io.github.zimage;

import java.awt.image.BufferedImage;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A picture, with what it was made from. Lives on the Java heap. Immutable. */
public final class GeneratedImage {
    private final int width;
    private final int height;
    private final byte[] rgb;
    private final @Nullable Latents latents;
    private final @Nullable ImageParameters parameters;
    private final GenerationTimings timings;

    GeneratedImage(
            int width,
            int height,
            byte[] rgb,
            @Nullable Latents latents,
            @Nullable ImageParameters parameters,
            GenerationTimings timings) {
        this.width = width;
        this.height = height;
        this.rgb = rgb;
        this.latents = latents;
        this.parameters = parameters;
        this.timings = timings;
    }

    public BufferedImage toBufferedImage() {
        throw new UnsupportedOperationException();
    }

    public byte[] toPng() {
        throw new UnsupportedOperationException();
    }

    public void save(Path file) {
        throw new UnsupportedOperationException();
    }
}
