package io.github.zimage;

import java.util.List;
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
        Precision vaePrecision) {

    /** Copies the list of sigmas. */
    public ImageParameters {
        sigmas = List.copyOf(sigmas);
    }
}
