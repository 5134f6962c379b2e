package io.github.zimage.bench;

import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The checkpoint that a benchmark runs on: {@code tiny}, which is made for this JVM, or the folder of any other. */
final class BenchModel {
    /** The name of the one that is made. */
    static final String TINY = "tiny";

    private static @Nullable Path tiny;

    private BenchModel() {}

    /** Returns the folder of a model. */
    static synchronized Path folder(String model) {
        if (!model.equals(TINY)) {
            return Path.of(model);
        }
        if (tiny == null) {
            tiny = makeTiny();
        }
        return tiny;
    }

    private static Path makeTiny() {
        try {
            Path folder = temporaryFolder().resolve(TINY);
            SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns a new folder that is deleted when the JVM ends. */
    static Path temporaryFolder() throws IOException {
        Path folder = Files.createTempDirectory("zimage-bench");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(folder)));
        return folder;
    }

    private static void delete(Path folder) {
        try (Stream<Path> paths = Files.walk(folder)) {
            List<Path> deepestFirst = paths.sorted(Comparator.reverseOrder()).toList();
            for (Path path : deepestFirst) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            System.err.println("zimage-bench: could not delete " + folder + ": " + e);
        }
    }
}
