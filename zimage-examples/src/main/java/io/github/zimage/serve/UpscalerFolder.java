package io.github.zimage.serve;

import io.github.zimage.ModelLoadException;
import io.github.zimage.upscale.UpscalerModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The upscalers that requests can name.
 *
 * @param folder where their files are, or null if there are none
 */
record UpscalerFolder(@Nullable Path folder) {
    private static final String PARAMETER = "upscaler";
    private static final List<String> ENDINGS = List.of(".safetensors", ".pth", ".pt");

    /** Returns the names of all, in order: those of the files without their endings. */
    List<String> names() {
        return List.copyOf(files().keySet());
    }

    /**
     * Returns an upscaler with its file.
     *
     * @throws ApiException if there is none of that name, or it is not the one that is meant
     */
    UpscalerModel find(UpscalerModel named) {
        TreeMap<String, Path> files = files();
        Path file = files.get(named.name());
        if (file == null) {
            throw ApiException.badParameter(
                    PARAMETER,
                    "there is no upscaler '%s' here, %s"
                            .formatted(
                                    JsonFields.shown(named.name(), 40),
                                    files.isEmpty() ? "nor any other" : "only " + String.join(", ", files.keySet())));
        }
        UpscalerModel found = read(file);
        if (named.sha256() != null && !named.equals(found)) {
            throw ApiException.badParameter(
                    PARAMETER, "upscaler '%s' is another file here".formatted(JsonFields.shown(named.name(), 40)));
        }
        return found;
    }

    private static UpscalerModel read(Path file) {
        try {
            return UpscalerModel.read(file);
        } catch (ModelLoadException e) {
            throw ApiException.badParameter(PARAMETER, String.valueOf(e.getMessage()));
        }
    }

    private TreeMap<String, Path> files() {
        TreeMap<String, Path> files = new TreeMap<>();
        if (folder == null) {
            return files;
        }
        try (Stream<Path> all = Files.list(folder)) {
            all.filter(Files::isRegularFile).sorted().forEach(file -> {
                String name = String.valueOf(file.getFileName());
                ENDINGS.stream()
                        .filter(ending -> name.endsWith(ending) && !name.startsWith("."))
                        .findFirst()
                        .ifPresent(
                                ending -> files.putIfAbsent(name.substring(0, name.length() - ending.length()), file));
            });
            return files;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
