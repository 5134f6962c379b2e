package io.github.zimage.internal.singlefile;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.CheckpointFolder;
import io.github.zimage.internal.weights.WeightIndex;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads parts of a model out of files and folders. Each file's header is read once. Not thread-safe. */
final class PartReader {
    private static final Logger LOG = LoggerFactory.getLogger(PartReader.class);

    private final Map<Path, Contents> contents = new LinkedHashMap<>();
    private final @Nullable String variant;

    /**
     * Reads nothing yet.
     *
     * @param variant the variant of the weights' files in folders, or null
     */
    PartReader(@Nullable String variant) {
        this.variant = variant;
    }

    /** Returns what a file holds. */
    Contents contents(Path file) {
        Contents known = contents.get(file);
        if (known == null) {
            known = Contents.of(TensorTable.read(file));
            contents.put(file, known);
        }
        return known;
    }

    /**
     * Reads a part out of a file that holds it, of its folder as diffusers makes it, or of a checkpoint's.
     *
     * @throws ModelLoadException if it is not there, damaged, or of another model
     */
    <C> Part<C> read(PartKind<C> kind, Path place) {
        if (!Files.isDirectory(place)) {
            return readFile(kind, place);
        }
        Path folder =
                CheckpointFolder.is(place) ? place.resolve(kind.component().folder()) : place;
        return new Part<>(
                folder,
                kind.read().apply(folder.resolve("config.json")),
                CheckpointFolder.weights(folder, kind.component(), variant),
                null);
    }

    private <C> Part<C> readFile(PartKind<C> kind, Path file) {
        String name = ModelFile.name(file);
        Map<String, TensorEntry> own = contents(file).weights(kind.component());
        if (own == null) {
            throw new ModelLoadException(
                    name + ": must hold the " + kind.words() + ", but holds " + holds(file) + " only");
        }
        Map<String, TensorEntry> named = named(kind, name, own);
        C config = besideConfig(kind, file, named);
        String note = null;
        if (config == null) {
            config = kind.assumed()
                    .apply(new AssumedConfigs(name, named, contents(file).metadata()));
            note = kind.words() + ": " + name + " says no configuration; taken from its tensors' shapes, and assumed: "
                    + kind.notes().apply(config);
        }
        WeightIndex index = WeightIndex.of(name, shaped(named, kind.tensors().apply(config)));
        return new Part<>(file, config, index, note);
    }

    private static <C> Map<String, TensorEntry> named(PartKind<C> kind, String file, Map<String, TensorEntry> tensors) {
        try {
            return kind.names().apply(tensors);
        } catch (ModelLoadException e) {
            throw new ModelLoadException(file + ": " + e.getMessage(), e);
        }
    }

    /** Returns the configuration that lies in the same folder, if it is the part's; else null. */
    private static <C> @Nullable C besideConfig(PartKind<C> kind, Path file, Map<String, TensorEntry> tensors) {
        Path json = file.resolveSibling("config.json");
        if (!Files.exists(json)) {
            return null;
        }
        try {
            C config = kind.read().apply(json);
            Map<String, List<Long>> expected = kind.tensors().apply(config);
            WeightIndex.of("", shaped(tensors, expected)).check(expected);
            return config;
        } catch (ModelLoadException e) {
            LOG.debug("{} is not the configuration of {}", json, file, e);
            return null;
        }
    }

    /** Other programs leave out dimensions of one, or add some. */
    private static Map<String, TensorEntry> shaped(Map<String, TensorEntry> tensors, Map<String, List<Long>> expected) {
        Map<String, TensorEntry> shaped = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> {
            List<Long> shape = expected.getOrDefault(name, tensor.shape());
            if (wide(shape).equals(wide(tensor.shape()))) {
                shaped.put(name, tensor.withShape(shape));
            } else {
                shaped.put(name, CroppedRows.suits(tensor, shape) ? CroppedRows.of(tensor, shape) : tensor);
            }
        });
        return shaped;
    }

    private static List<Long> wide(List<Long> shape) {
        return shape.stream().filter(size -> size != 1).toList();
    }

    /** Returns in words what a file holds. */
    String holds(Path file) {
        return contents(file).components().stream()
                .map(component -> "the " + component.id().replace('_', ' '))
                .reduce((first, second) -> first + " and " + second)
                .orElse("nothing");
    }
}
