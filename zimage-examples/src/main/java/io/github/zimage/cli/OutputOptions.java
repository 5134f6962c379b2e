package io.github.zimage.cli;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Latents;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where pictures and latents go. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class OutputOptions {
    private static final String SUFFIX = ".png";

    @Option(
            names = "--out",
            paramLabel = "F.png",
            defaultValue = "zimage.png",
            description = "File for the picture (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Option(
            names = "--latents-out",
            paramLabel = "F.safetensors",
            description =
                    "File for the final latents before the VAE: one FP32 tensor [count, channels, height, width].")
    private @Nullable Path latentsOut;

    @Option(names = "--no-metadata", description = "Do not write prompt and parameters into the picture.")
    private boolean noMetadata;

    /**
     * Returns a file for each picture, after a check that all can be written.
     *
     * @param withSeeds whether the names tell the seeds
     */
    List<Path> files(GenerationRequest request, boolean withSeeds) {
        List<Path> files = names(request, withSeeds);
        files.forEach(OutputFile::check);
        if (latentsOut != null) {
            OutputFile.check(latentsOut);
            Path latents = latentsOut.toAbsolutePath().normalize();
            if (files.stream()
                    .anyMatch(file -> file.toAbsolutePath().normalize().equals(latents))) {
                throw new IllegalArgumentException("--out and --latents-out must differ, but both were " + latentsOut);
            }
        }
        return files;
    }

    private List<Path> names(GenerationRequest request, boolean withSeeds) {
        String name = out.toString();
        if (!name.toLowerCase(Locale.ROOT).endsWith(SUFFIX)) {
            throw new IllegalArgumentException("--out must end in .png, but was '" + name + "'");
        }
        if (request.count() == 1 && !withSeeds) {
            return List.of(out);
        }
        int dot = name.length() - SUFFIX.length();
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < request.count(); i++) {
            String suffix = withSeeds ? "-seed" + Long.toUnsignedString(request.seedOf(i, 0)) : "-" + (i + 1);
            files.add(Path.of(name.substring(0, dot) + suffix + name.substring(dot)));
        }
        return files;
    }

    void save(List<GeneratedImage> images, List<Path> files) {
        for (int i = 0; i < images.size(); i++) {
            GeneratedImage image = images.get(i);
            (noMetadata ? image.withoutMetadata() : image).save(files.get(i));
        }
        if (latentsOut != null) {
            Latents.save(
                    latentsOut, images.stream().map(GeneratedImage::latents).toList());
        }
    }

    /** Says which files there are now. */
    void print(PrintWriter stdout, List<GeneratedImage> images, List<Path> files) {
        for (int i = 0; i < images.size(); i++) {
            GeneratedImage image = images.get(i);
            Long seed = image.seed();
            stdout.printf(
                    "%s  %dx%d, seed %s%n",
                    files.get(i),
                    image.width(),
                    image.height(),
                    seed == null ? "unknown" : Long.toUnsignedString(seed));
        }
        if (latentsOut != null) {
            stdout.println(latentsOut + "  latents");
        }
    }
}
