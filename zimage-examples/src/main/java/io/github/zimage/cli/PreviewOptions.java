package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What pictures look like on the way: how often that is written, and where. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PreviewOptions {
    private static final String SUFFIX = ".png";

    @Option(
            names = "--preview-every",
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "Write what the pictures look like after every N steps; 0 is never (default: ${DEFAULT-VALUE}).")
    private int every;

    @Option(
            names = "--preview-out",
            paramLabel = "PATTERN.png",
            defaultValue = "preview-{picture}-{step}.png",
            description =
                    "Files for that, replaced if they are there; {picture} and {step} stand for their numbers, and without"
                            + " {step} each takes the place of the one before (default: ${DEFAULT-VALUE}).")
    private String pattern;

    @Option(
            names = "--preview-decoder",
            paramLabel = "F.safetensors",
            description =
                    "TAEF1, which decodes them fast and in full size (default: the VAE where its weights stay, or rough colours).")
    private @Nullable Path decoder;

    /**
     * Checks the options, and that the files can be written.
     *
     * @throws IllegalArgumentException if something is wrong with them
     */
    void check(GenerationRequest request) {
        if (every < 0) {
            throw new IllegalArgumentException("--preview-every must be 0 or more, but was " + every);
        }
        if (!pattern.toLowerCase(Locale.ROOT).endsWith(SUFFIX)) {
            throw new IllegalArgumentException("--preview-out must end in .png, but was '" + pattern + "'");
        }
        if (every > 0 && request.totalCount() > 1 && !pattern.contains(PreviewFiles.PICTURE)) {
            throw new IllegalArgumentException("--preview-out must have %s in it for %d pictures, but was '%s'"
                    .formatted(PreviewFiles.PICTURE, request.totalCount(), pattern));
        }
        if (decoder != null && !Files.isReadable(decoder)) {
            throw new IllegalArgumentException(
                    "--preview-decoder must be a file that can be read, but was '" + decoder + "'");
        }
        if (every > 0) {
            OutputFile.check(Path.of(PreviewFiles.name(pattern, 1, 1)));
        }
    }

    /** Returns what writes the files. */
    PreviewFiles files() {
        return new PreviewFiles(every, pattern, decoder);
    }
}
