package io.github.zimage;

import io.github.zimage.internal.image.PngText;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.request.PictureText;
import io.github.zimage.upscale.UpscalerModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a picture was made with: the request for it alone, and the model. A PNG carries it:
 *
 * <pre>{@code
 * ImageParameters parameters = ImageParameters.read(Path.of("fox.png")).orElseThrow();
 * GeneratedImage again = pipeline.generate(parameters.request());
 * }</pre>
 *
 * <p>In a PNG, embeddings and latents are missing: of a picture that was drawn from embeddings, the request that was read has no
 * prompt, and cannot be drawn until it has been given some; of one that was drawn from latents, it has no seed, and another picture
 * would be drawn.
 *
 * @param request the request for this one picture, with the seed that was used
 * @param model the name of the checkpoint's folder
 * @param precision the transformer's precision
 * @param vaePrecision the VAE's precision
 */
public record ImageParameters(GenerationRequest request, String model, Precision precision, Precision vaePrecision) {

    /** Checks that nothing is missing. */
    public ImageParameters {
        Given.value(request, "request");
        Given.value(model, "model");
        Given.value(precision, "precision");
        Given.value(vaePrecision, "vaePrecision");
    }

    /** Returns the prompt; {@code null} if embeddings were given. */
    public @Nullable String prompt() {
        return request.prompts().isEmpty() ? null : request.prompts().get(0);
    }

    /** Returns the picture's seed; {@code null} if its noise was given. */
    public @Nullable Long seed() {
        return request.seed();
    }

    /** Returns the same for the picture when an upscaler has enlarged it. */
    public ImageParameters upscaledBy(UpscalerModel upscaler) {
        return new ImageParameters(request.toBuilder().upscaler(upscaler).buildRead(), model, precision, vaePrecision);
    }

    /**
     * Returns the text that other programs read.
     *
     * @param forwards how often the transformer was evaluated
     */
    String toText(int forwards) {
        return PictureText.toText(request, forwards, model, PictureText.PROGRAM);
    }

    /** Returns the text that {@link #read} reads. */
    String toJson() {
        return PictureText.toJson(request, model, precision, vaePrecision);
    }

    /**
     * Reads the parameters from a PNG file that zimage wrote. The picture itself is not decoded.
     *
     * @return the parameters as they were; empty if the file carries none, or only those of another program
     * @throws ZImageException if the file cannot be read, is not a PNG file or is damaged
     */
    public static Optional<ImageParameters> read(Path png) {
        return text(png, PictureText.JSON_KEYWORD).map(json -> {
            try {
                PictureText.Content content = PictureText.fromJson(json);
                return new ImageParameters(
                        content.request().buildRead(), content.model(), content.precision(), content.vaePrecision());
            } catch (IllegalArgumentException e) {
                throw new ZImageException(
                        "%s: the text '%s' is damaged: %s".formatted(png, PictureText.JSON_KEYWORD, e.getMessage()), e);
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
        return text(png, PictureText.TEXT_KEYWORD);
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
