package io.github.zimage.bench;

import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.ZImageModel;
import io.github.zimage.ZImagePipeline;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Pictures to compare with, drawn the plain way. Those of a checkpoint other than the tiny one are kept in a folder of the system's
 * for temporary files, since many benchmarks, each in a JVM of its own, compare with the same one.
 */
final class Reference {
    private static final Path KEPT =
            Path.of(System.getProperty("java.io.tmpdir"), "zimage-bench-" + System.getProperty("user.name"));

    private Reference() {}

    /** Returns the pixels of a request's picture with all components in a precision. */
    static byte[] picture(String model, Precision precision, GenerationRequest request) {
        if (model.equals(BenchModel.TINY)) {
            return draw(BenchModel.folder(model), precision, request);
        }
        Path folder = BenchModel.folder(model);
        Path file = KEPT.resolve(key(folder, precision, request) + ".rgb");
        try {
            if (Files.isRegularFile(file) && Files.size(file) == 3L * request.width() * request.height()) {
                return Files.readAllBytes(file);
            }
            byte[] rgb = draw(folder, precision, request);
            Files.createDirectories(KEPT);
            Files.write(file, rgb);
            return rgb;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] draw(Path folder, Precision precision, GenerationRequest request) {
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().model(folder).precision(precision).build()) {
            return pipeline.generate(request).rgb();
        }
    }

    private static String key(Path folder, Precision precision, GenerationRequest request) {
        try {
            String what = String.join(
                    "\n",
                    folder.toRealPath().toString(),
                    Files.getLastModifiedTime(folder.resolve("model_index.json"))
                            .toString(),
                    ZImageModel.open(folder).info().toString(),
                    precision.toString(),
                    request.prompts().toString(),
                    request.width() + "x" + request.height(),
                    "steps " + request.steps(),
                    "guidance " + request.guidance() + " to " + request.cfgTruncation(),
                    "seed " + request.seed());
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(what.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 16);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java runtime has SHA-256", e);
        }
    }

    /** Returns the root of the mean squared difference of two pictures, in levels of 255. */
    static double distance(byte[] a, byte[] b) {
        if (a.length != b.length) {
            throw new IllegalArgumentException(
                    "pictures must be of one size, but had %d and %d bytes".formatted(a.length, b.length));
        }
        long sum = 0;
        for (int i = 0; i < a.length; i++) {
            int difference = (a[i] & 0xff) - (b[i] & 0xff);
            sum += (long) difference * difference;
        }
        return Math.sqrt(sum / (double) a.length);
    }

    /**
     * Checks that a picture is near another.
     *
     * @param most the largest {@link #distance} that will do
     */
    static void requireNear(byte[] picture, byte[] expected, double most, String what) {
        double distance = distance(picture, expected);
        if (!(distance <= most)) {
            throw new IllegalStateException("%s is wrong: it is %.2f levels away from the reference, more than %.2f"
                    .formatted(what, distance, most));
        }
    }
}
