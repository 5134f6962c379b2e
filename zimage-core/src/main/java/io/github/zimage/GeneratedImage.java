package io.github.zimage;

import io.github.zimage.internal.image.AwtImage;
import io.github.zimage.internal.image.JpegEncoder;
import io.github.zimage.internal.image.PictureFormat;
import io.github.zimage.internal.image.PngEncoder;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.request.PictureText;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A picture, with what it was made from. Lives on the Java heap. Immutable. */
public final class GeneratedImage {
    private static final int USUAL_QUALITY = 90;

    private final int width;
    private final int height;
    private final byte[] rgb;
    private final Latents latents;
    private final @Nullable ImageParameters parameters;
    private final Timings timings;

    /**
     * Where the time of one generation went. Waiting in the pipeline's queue is not part of it.
     *
     * @param encode turning the prompts into embeddings; zero if they came with the request
     * @param denoise all steps together
     * @param decode turning the latents of this picture into pixels
     * @param steps each step by itself, in order
     * @param forwards how often the whole transformer was evaluated for this picture, not counting guidance; less often than the request
     *     says where a {@linkplain Sampling.StepCache step cache} found out only then that it could be
     */
    public record Timings(Duration encode, Duration denoise, Duration decode, List<Duration> steps, int forwards) {

        /** Copies the list of steps. */
        public Timings {
            steps = List.copyOf(steps);
        }
    }

    GeneratedImage(
            int width, int height, byte[] rgb, Latents latents, @Nullable ImageParameters parameters, Timings timings) {
        this.width = width;
        this.height = height;
        this.rgb = rgb;
        this.latents = latents;
        this.parameters = parameters;
        this.timings = timings;
    }

    /** Returns the width in pixels. */
    public int width() {
        return width;
    }

    /** Returns the height in pixels. */
    public int height() {
        return height;
    }

    /** Returns a copy of the pixels: {@code width * height * 3} bytes, red, green and blue, row by row from the top left. */
    public byte[] rgb() {
        return rgb.clone();
    }

    /** Returns the seed that draws this picture, or {@code null} if its noise or {@link #parameters()} are not known. */
    public @Nullable Long seed() {
        return parameters == null ? null : parameters.seed();
    }

    /** Returns the latents that the picture was decoded from. */
    public Latents latents() {
        return latents;
    }

    /** Returns what the picture was made with, or {@code null} after {@link #withoutMetadata()}. */
    public @Nullable ImageParameters parameters() {
        return parameters;
    }

    /** Returns where the time went. */
    public Timings timings() {
        return timings;
    }

    /** Returns the same picture without its parameters, so that its PNG does not carry the prompt. */
    public GeneratedImage withoutMetadata() {
        return new GeneratedImage(width, height, rgb, latents, null, timings);
    }

    /** Returns a new image of type {@link BufferedImage#TYPE_INT_RGB}. */
    public BufferedImage toBufferedImage() {
        return AwtImage.of(width, height, rgb);
    }

    /**
     * Returns a PNG file. It carries the {@linkplain #parameters() parameters}, if there are any, for
     * {@link ImageParameters#read} and for programs that read those of AUTOMATIC1111's web UI.
     */
    public byte[] toPng() {
        Map<String, String> texts = new LinkedHashMap<>();
        if (parameters != null) {
            texts.put(PictureText.TEXT_KEYWORD, parameters.toText(timings.forwards()));
            texts.put(PictureText.JSON_KEYWORD, parameters.toJson());
        }
        return PngEncoder.encode(width, height, rgb, texts);
    }

    /**
     * Returns a JPEG file. It carries no parameters.
     *
     * @param quality from 1 to 100; 90 can hardly be told from the picture
     * @throws IllegalArgumentException if the quality is outside of that
     */
    public byte[] toJpeg(int quality) {
        return JpegEncoder.encode(width, height, rgb, quality);
    }

    /**
     * Writes {@link #toPng()} into a stream, which stays open.
     *
     * @throws IOException if the stream does
     */
    public void write(OutputStream out) throws IOException {
        Given.value(out, "out").write(toPng());
    }

    /**
     * Writes a file in the format of its name's ending, replacing the one that was there. The file appears whole or not at all: if this
     * fails, the one that was there is as it was. For other formats, hand {@link #toBufferedImage()} to an encoder.
     *
     * @param file a name that ends in {@code .png}, for {@link #toPng()}, or in {@code .jpg} or {@code .jpeg}, for {@link #toJpeg} at 90; in
     *     a folder that exists
     * @throws IllegalArgumentException if the name ends in anything else
     * @throws UncheckedIOException if the file cannot be written
     */
    public void save(Path file) {
        PictureFormat format = PictureFormat.of(Given.value(file, "file").toString(), "the name of a picture's file");
        byte[] content = format == PictureFormat.PNG ? toPng() : toJpeg(USUAL_QUALITY);
        try {
            AtomicFile.write(file, content);
        } catch (IOException e) {
            throw new UncheckedIOException(String.valueOf(e.getMessage()), e);
        }
    }

    /** Returns size and seed. */
    @Override
    public String toString() {
        Long seed = seed();
        return "GeneratedImage[%d x %d%s]"
                .formatted(width, height, seed == null ? "" : ", seed " + Long.toUnsignedString(seed));
    }
}
