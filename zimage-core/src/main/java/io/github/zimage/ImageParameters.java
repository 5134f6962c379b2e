package io.github.zimage;

import io.github.zimage.internal.image.ParametersFormat;
import io.github.zimage.internal.image.PngText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a picture was made with: what a PNG carries in its {@code parameters} text, readable by tools that read the one of
 * AUTOMATIC1111's web UI.
 *
 * @param prompt the prompt; {@code null} if embeddings were given
 * @param negativePrompt the negative prompt; {@code null} if there was none
 * @param width width in pixels
 * @param height height in pixels
 * @param steps evaluations of the transformer
 * @param guidance the guidance; 0 is off
 * @param cfgNormalization the limit of a guided prediction's length; 0 is off
 * @param cfgTruncation the time after which guidance is off
 * @param seed the picture's seed; {@code null} if its noise was given
 * @param sigmas the noise levels, if they were given; else empty
 * @param model the name of the checkpoint's folder
 * @param precision the transformer's precision
 * @param vaePrecision the VAE's precision
 * @param noiseReduction how many times as wide and high the picture is that this is a preview of; 1 if it is none
 */
public record ImageParameters(
        @Nullable String prompt,
        @Nullable String negativePrompt,
        int width,
        int height,
        int steps,
        double guidance,
        double cfgNormalization,
        double cfgTruncation,
        @Nullable Long seed,
        List<Float> sigmas,
        String model,
        Precision precision,
        Precision vaePrecision,
        int noiseReduction) {

    /** Creates the parameters of a picture that is no preview. */
    public ImageParameters(
            @Nullable String prompt,
            @Nullable String negativePrompt,
            int width,
            int height,
            int steps,
            double guidance,
            double cfgNormalization,
            double cfgTruncation,
            @Nullable Long seed,
            List<Float> sigmas,
            String model,
            Precision precision,
            Precision vaePrecision) {
        this(
                prompt,
                negativePrompt,
                width,
                height,
                steps,
                guidance,
                cfgNormalization,
                cfgTruncation,
                seed,
                sigmas,
                model,
                precision,
                vaePrecision,
                1);
    }

    /** Copies the list of sigmas. */
    public ImageParameters {
        Objects.requireNonNull(model, "model");
        Objects.requireNonNull(precision, "precision");
        Objects.requireNonNull(vaePrecision, "vaePrecision");
        sigmas = List.copyOf(sigmas);
    }

    /**
     * Reads the parameters from a PNG file that zimage wrote. The picture itself is not decoded.
     *
     * @return the parameters as they were; empty if the file carries none, or only those of another program
     * @throws ZImageException if the file cannot be read, is not a PNG file or is damaged
     */
    public static Optional<ImageParameters> read(Path png) {
        return text(png, ParametersFormat.JSON_KEYWORD).map(json -> {
            try {
                return ParametersFormat.fromJson(json);
            } catch (IllegalArgumentException e) {
                throw new ZImageException(
                        "%s: the text '%s' is damaged: %s"
                                .formatted(png, ParametersFormat.JSON_KEYWORD, e.getMessage()),
                        e);
            }
        });
    }

    /**
     * Reads the {@code parameters} text from a PNG file as it stands. AUTOMATIC1111's web UI and the programs that follow it
     * write one; so does zimage.
     *
     * @return the text; empty if the file carries none
     * @throws ZImageException if the file cannot be read, is not a PNG file or is damaged
     */
    public static Optional<String> readText(Path png) {
        return text(png, ParametersFormat.TEXT_KEYWORD);
    }

    private static Optional<String> text(Path png, String keyword) {
        if (!Files.isRegularFile(png)) {
            throw new ZImageException(png + (Files.exists(png) ? " is not a file" : " does not exist"));
        }
        try {
            return Optional.ofNullable(PngText.read(png, Set.of(keyword)).get(keyword));
        } catch (IOException e) {
            throw new ZImageException("cannot read " + png + ": " + e.getMessage(), e);
        }
    }
}
