package io.github.zimage;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;

/** An upscaler with random weights that makes pictures four times as wide and high. */
final class TinyUpscaler {
    static final Path FILE = file("basicsr-x4-ema.pth");

    /** Another one. */
    static final Path TWICE = file("basicsr-x2.pth");

    private TinyUpscaler() {}

    private static Path file(String name) {
        try {
            return Path.of(Objects.requireNonNull(TinyUpscaler.class.getResource("/upscalers/" + name))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
