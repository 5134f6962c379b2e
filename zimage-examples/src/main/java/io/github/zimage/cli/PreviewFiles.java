package io.github.zimage.cli;

import io.github.zimage.GenerationListener;
import io.github.zimage.ImageSize;
import io.github.zimage.internal.io.AtomicFile;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;

/** Writes previews into files. */
final class PreviewFiles {
    /** Stands for the picture's number in names. */
    static final String PICTURE = "{picture}";

    private static final String STEP = "{step}";

    private final int every;
    private final String pattern;
    private final @Nullable Path decoder;

    /**
     * Writes nothing yet.
     *
     * @param every how many steps there are from one preview to the next; 0 for none
     * @param pattern the files' names
     * @param decoder as {@link GenerationListener#previewDecoder}
     */
    PreviewFiles(int every, String pattern, @Nullable Path decoder) {
        this.every = every;
        this.pattern = pattern;
        this.decoder = every > 0 ? decoder : null;
    }

    /** Returns the file of what decodes them, or null for what there is. */
    @Nullable
    Path decoder() {
        return decoder;
    }

    /** Returns the name of a file. */
    static String name(String pattern, int picture, int step) {
        return pattern.replace(PICTURE, Integer.toString(picture)).replace(STEP, Integer.toString(step));
    }

    /** Returns how large previews of a step shall be, as {@link GenerationListener#previewSize}. */
    int size(int step) {
        return every > 0 && step % every == 0 ? ImageSize.MAX_SIDE : 0;
    }

    /**
     * Writes a file.
     *
     * @throws UncheckedIOException if it cannot be written
     */
    void write(int step, int index, BufferedImage preview) {
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        Path file = Path.of(name(pattern, index, step));
        try {
            ImageIO.write(preview, "png", png);
            AtomicFile.write(file, png.toByteArray());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write %s: %s".formatted(file, AtomicFile.reason(e)), e);
        }
    }
}
