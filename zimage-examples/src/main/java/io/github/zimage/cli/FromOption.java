package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.io.ShownText;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A picture to take the settings of. */
final class FromOption {
    @Option(
            names = "--from",
            paramLabel = "F.png",
            description = "Draw with the settings of a picture that zimage made, prompt and seed among them;"
                    + " other options change them.")
    private @Nullable Path picture;

    /**
     * Returns what drew the picture, or {@code null} if none is named.
     *
     * @throws IllegalArgumentException if the file is missing or tells no settings
     */
    @Nullable
    ImageParameters parameters() {
        if (picture == null) {
            return null;
        }
        if (!Files.isRegularFile(picture)) {
            throw refused("there is no such file", null);
        }
        try {
            return ImageParameters.read(picture)
                    .orElseThrow(
                            () -> refused("it holds no settings of zimage; 'zimage info' shows what it holds", null));
        } catch (ZImageException e) {
            throw refused(String.valueOf(e.getMessage()), e);
        }
    }

    /** Returns the settings to begin with: those of the picture, or the usual ones. */
    static GenerationRequest.Builder request(@Nullable ImageParameters parameters) {
        return parameters == null ? GenerationRequest.builder() : parameters.request().toBuilder();
    }

    private IllegalArgumentException refused(String reason, @Nullable Throwable cause) {
        return new IllegalArgumentException(
                "--from cannot take the settings of %s: %s".formatted(ShownText.cut(String.valueOf(picture)), reason),
                cause);
    }
}
