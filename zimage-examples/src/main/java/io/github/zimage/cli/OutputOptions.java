package io.github.zimage.cli;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Latents;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where pictures and latents go. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class OutputOptions {
    private static final String SUFFIX = ".png";
    private static final String DEFAULT = "zimage.png";

    @Option(
            names = {"-o", "--out"},
            paramLabel = "F.png",
            description = "File for the picture, replaced if it is there (default: the first that is not there of"
                    + " zimage.png, zimage-1.png, zimage-2.png ...).")
    private @Nullable Path out;

    @Option(
            names = "--latents-out",
            paramLabel = "F.safetensors",
            description =
                    "File for the final latents before the VAE: one FP32 tensor [count, channels, height, width].")
    private @Nullable Path latentsOut;

    @Option(names = "--no-metadata", description = "Do not write prompt and parameters into the picture.")
    private boolean noMetadata;

    /**
     * Returns a file for each picture, after a check that all can be written. Where no name was given, they may get others when they
     * are saved, so as to replace none.
     *
     * @param withSeeds whether the names tell the seeds
     */
    List<Path> files(GenerationRequest request, boolean withSeeds) {
        List<Path> files = names(request, withSeeds);
        files.forEach(out == null ? OutputFile::checkBeside : OutputFile::check);
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
        Path first = out == null ? Path.of(DEFAULT) : out;
        String name = first.toString();
        if (!name.toLowerCase(Locale.ROOT).endsWith(SUFFIX)) {
            throw new IllegalArgumentException("--out must end in .png, but was '" + name + "'");
        }
        if (request.count() == 1 && !withSeeds) {
            return List.of(first);
        }
        int dot = name.length() - SUFFIX.length();
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < request.count(); i++) {
            String suffix = withSeeds ? "-seed" + Long.toUnsignedString(request.seedOf(i)) : "-" + (i + 1);
            files.add(Path.of(name.substring(0, dot) + suffix + name.substring(dot)));
        }
        return files;
    }

    /**
     * Writes pictures and latents.
     *
     * @param files as {@link #files} gave them
     * @return the files that the pictures are in
     */
    List<Path> save(List<GeneratedImage> images, List<Path> files, boolean withSeeds) {
        List<Path> saved = new ArrayList<>();
        // Several pictures without seeds in their names are numbered on.
        Iterator<Path> numbers = OutputFile.numbered(Path.of(DEFAULT), images.size() == 1 ? 0 : 1);
        for (int i = 0; i < images.size(); i++) {
            GeneratedImage image = noMetadata ? images.get(i).withoutMetadata() : images.get(i);
            if (out == null) {
                saved.add(saveUnderFreeName(image, withSeeds ? OutputFile.numbered(files.get(i), 0) : numbers));
            } else {
                image.save(files.get(i));
                saved.add(files.get(i));
            }
        }
        if (latentsOut != null) {
            Latents.save(
                    latentsOut, images.stream().map(GeneratedImage::latents).toList());
        }
        return saved;
    }

    private static Path saveUnderFreeName(GeneratedImage image, Iterator<Path> names) {
        Path file = OutputFile.reserve(names);
        boolean done = false;
        try {
            image.save(file);
            done = true;
        } finally {
            if (!done) {
                OutputFile.release(file);
            }
        }
        return file;
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
