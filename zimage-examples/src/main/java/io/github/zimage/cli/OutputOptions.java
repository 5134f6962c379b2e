package io.github.zimage.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Latents;
import io.github.zimage.internal.image.PictureFormat;
import io.github.zimage.internal.io.AtomicFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Where pictures and latents go. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class OutputOptions {
    private static final int USUAL_QUALITY = 90;
    private static final String DEFAULT = "zimage.png";

    @Option(
            names = {"-o", "--out"},
            paramLabel = "F.png|F.jpg",
            hideParamSyntax = true,
            description = "File for the picture, replaced if it is there (default: the first that is not there of"
                    + " zimage.png, zimage-1.png, zimage-2.png ...). {seed}, {n} and {prompt} stand for the seed, the"
                    + " picture's number and the words of the prompt; files with such names are never replaced.")
    private @Nullable Path out;

    @Option(
            names = "--jpeg-quality",
            paramLabel = "Q",
            description = "Quality of a JPEG file, from 1 to 100 (default: " + USUAL_QUALITY + ").")
    private @Nullable Integer jpegQuality;

    @Mixin
    private JsonOption json;

    @Option(
            names = "--latents-out",
            paramLabel = "F.safetensors",
            description =
                    "File for the final latents before the VAE: one FP32 tensor [count, channels, height, width].")
    private @Nullable Path latentsOut;

    @Option(
            names = "--no-metadata",
            description = "Do not write prompt and parameters into the picture. JPEG files never hold them.")
    private boolean noMetadata;

    /** Returns whether the names of the files tell the seeds because they were asked to. */
    boolean needsSeed() {
        return out != null && new OutputName(out).hasPlaces();
    }

    /** Returns whether a file that is there is replaced. */
    private boolean replaces() {
        return out != null && !new OutputName(out).hasPlaces();
    }

    /**
     * Returns a file for each picture, after a check that all can be written. Where no name was given, or one with places, they may get
     * others when they are saved, so as to replace none.
     *
     * @param request with a seed, if the names have places
     * @param withSeeds whether the names tell the seeds
     */
    List<Path> files(GenerationRequest request, boolean withSeeds) {
        List<Path> files = names(request, withSeeds);
        files.forEach(replaces() ? OutputFile::check : OutputFile::checkBeside);
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
        OutputName name = new OutputName(out == null ? Path.of(DEFAULT) : out);
        PictureFormat format = PictureFormat.of(name.toString(), "--out");
        if (jpegQuality != null && format != PictureFormat.JPEG) {
            throw new IllegalArgumentException("--jpeg-quality is for names that end in .jpg, but --out is " + name);
        }
        if (jpegQuality != null && (jpegQuality < 1 || jpegQuality > 100)) {
            throw new IllegalArgumentException("--jpeg-quality must be between 1 and 100, but was " + jpegQuality);
        }
        boolean single = request.totalCount() == 1;
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < request.totalCount(); i++) {
            Path file = name.hasPlaces() ? name.of(request, i) : Path.of(name.toString());
            boolean distinct = name.tellsPicturesApart() || (single && !withSeeds);
            String end = withSeeds ? "seed" + Long.toUnsignedString(request.seedOf(i)) : String.valueOf(i + 1);
            files.add(distinct ? file : OutputFile.withEnd(file, end));
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
            Path file = files.get(i);
            if (replaces()) {
                write(image, file);
                saved.add(file);
            } else {
                boolean numbered = out == null && !withSeeds;
                saved.add(saveUnderFreeName(image, numbered ? numbers : OutputFile.numbered(file, 0)));
            }
        }
        if (latentsOut != null) {
            Latents.save(
                    latentsOut, images.stream().map(GeneratedImage::latents).toList());
        }
        return saved;
    }

    private void write(GeneratedImage image, Path file) {
        if (PictureFormat.of(file.toString(), "--out") == PictureFormat.PNG) {
            image.save(file);
            return;
        }
        try {
            AtomicFile.write(file, image.toJpeg(jpegQuality == null ? USUAL_QUALITY : jpegQuality));
        } catch (IOException e) {
            throw new UncheckedIOException(String.valueOf(e.getMessage()), e);
        }
    }

    private Path saveUnderFreeName(GeneratedImage image, Iterator<Path> names) {
        Path file = OutputFile.reserve(names);
        boolean done = false;
        try {
            write(image, file);
            done = true;
        } finally {
            if (!done) {
                OutputFile.release(file);
            }
        }
        return file;
    }

    /** Says which files there are now, and what they took. */
    void print(PrintWriter stdout, boolean quiet, DrawnPictures drawn) {
        if (json.isOn()) {
            ObjectNode document = (ObjectNode) drawn.toJson();
            stdout.println(Json.text(latentsOut == null ? document : document.put("latents", latentsOut.toString())));
            return;
        }
        for (int i = 0; i < drawn.files().size(); i++) {
            GeneratedImage image = drawn.images().get(i);
            Long seed = image.seed();
            String said = "  %dx%d, seed %s"
                    .formatted(image.width(), image.height(), seed == null ? "unknown" : Long.toUnsignedString(seed));
            stdout.println(drawn.files().get(i) + (quiet ? "" : said));
        }
        if (latentsOut != null) {
            stdout.println(latentsOut + (quiet ? "" : "  latents"));
        }
        if (!quiet) {
            stdout.println(drawn.summary());
        }
    }
}
