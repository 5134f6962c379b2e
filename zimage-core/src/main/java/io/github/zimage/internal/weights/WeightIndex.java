package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where all tensors of a component lie: in files of any format, or in what is made of files. Immutable. */
public final class WeightIndex {
    private static final Logger LOG = LoggerFactory.getLogger(WeightIndex.class);

    private static final int NAMED_PROBLEMS = 5;

    private final String label;
    private final Map<String, TensorEntry> tensors;
    /** Why tensors are not there that should be, by name. */
    private final Map<String, String> absent;

    private final boolean read;

    private WeightIndex(String label, Map<String, TensorEntry> tensors, Map<String, String> absent, boolean read) {
        this.label = label;
        this.tensors = Collections.unmodifiableMap(tensors);
        this.absent = absent;
        this.read = read;
    }

    /**
     * Returns an index of tensors, wherever they lie.
     *
     * @param label what messages call the component
     * @param tensors by name, which has to be that of the entry
     */
    public static WeightIndex of(String label, Map<String, TensorEntry> tensors) {
        return of(label, tensors, Map.of());
    }

    /** As the other one, with the reasons why further tensors are not there, which matter only if one of them is needed. */
    static WeightIndex of(String label, Map<String, TensorEntry> tensors, Map<String, String> absent) {
        return new WeightIndex(label, new LinkedHashMap<>(tensors), Map.copyOf(absent), false);
    }

    /** Returns the tensors by name. */
    public Map<String, TensorEntry> tensors() {
        return tensors;
    }

    /** Returns the files that the tensors lie in. */
    public List<Path> files() {
        return tensors.values().stream()
                .map(TensorEntry::data)
                .distinct()
                .flatMap(data -> data.files().stream())
                .distinct()
                .toList();
    }

    /** Returns how many bytes of files all tensors take, about. */
    public long storedBytes() {
        return tensors.values().stream().mapToLong(TensorEntry::storedBytes).sum();
    }

    /** Returns the size of all tensors in bytes, as they are read. */
    public long byteSize() {
        return tensors.values().stream().mapToLong(TensorEntry::byteSize).sum();
    }

    /** Returns the same index for whoever shall read all weights into memory and map no file. */
    public WeightIndex read() {
        return new WeightIndex(label, tensors, absent, true);
    }

    /** Returns whether no file shall be mapped. */
    public boolean isRead() {
        return read;
    }

    /** Returns whether there is a tensor of a name. */
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /**
     * Returns a tensor.
     *
     * @throws ModelLoadException if there is none of that name
     */
    public TensorEntry get(String name) {
        TensorEntry tensor = tensors.get(name);
        if (tensor == null) {
            throw missing(name);
        }
        return tensor;
    }

    private ModelLoadException missing(String name) {
        return new ModelLoadException(
                absent.getOrDefault(name, label + ": tensor " + ModelFile.quote(name) + " is missing"));
    }

    /**
     * Returns an index of the same tensors under other names.
     *
     * @throws ModelLoadException if two tensors would get the same name
     */
    public WeightIndex renamed(UnaryOperator<String> rename) {
        Map<String, TensorEntry> renamed = new LinkedHashMap<>();
        Map<String, String> absentRenamed = new HashMap<>();
        absent.forEach((name, reason) -> absentRenamed.put(rename.apply(name), reason));
        tensors.forEach((name, tensor) -> {
            String newName = rename.apply(name);
            if (renamed.put(newName, tensor.withName(newName)) != null) {
                throw new ModelLoadException(label + ": tensor " + ModelFile.quote(newName)
                        + " is there twice, under an old and a new name");
            }
        });
        return new WeightIndex(label, renamed, absentRenamed, read);
    }

    /** Returns an index in which other entries take the place of these. */
    public WeightIndex with(BiFunction<String, TensorEntry, TensorEntry> replacement) {
        Map<String, TensorEntry> replaced = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> replaced.put(name, replacement.apply(name, tensor)));
        return new WeightIndex(label, replaced, absent, read);
    }

    /** Returns an index with further tensors behind these. */
    WeightIndex with(Map<String, TensorEntry> further) {
        Map<String, TensorEntry> all = new LinkedHashMap<>(tensors);
        all.putAll(further);
        return new WeightIndex(label, all, absent, read);
    }

    /** Returns an index of the same tensors with other shapes of as many elements. */
    WeightIndex reshaped(BiFunction<String, List<Long>, List<Long>> reshape) {
        return with((name, tensor) -> tensor.withShape(reshape.apply(name, tensor.shape())));
    }

    /** Returns an index of the same tensors, in the same order, at other places, each with its scales if these are there. */
    public WeightIndex movedTo(Map<String, TensorEntry> places) {
        List<String> names = new ArrayList<>();
        for (String name : tensors.keySet()) {
            names.add(name);
            if (places.containsKey(RowRounding.scales(name))) {
                names.add(RowRounding.scales(name));
            }
        }
        return new WeightIndex(label, places, absent, read).selected(names);
    }

    /**
     * Returns an index of some of the tensors, in the order of their names.
     *
     * @throws ModelLoadException if one of them is missing
     */
    WeightIndex selected(Collection<String> names) {
        Map<String, TensorEntry> selected = new LinkedHashMap<>();
        names.forEach(name -> selected.put(name, get(name)));
        return new WeightIndex(label, selected, absent, read);
    }

    /**
     * Makes sure that tensors are there, have the right shapes, and are stored in a format that can be loaded. Tensors
     * beyond those are tolerated.
     *
     * @param expected shapes by name
     * @throws ModelLoadException if anything is wrong; its message names the first few problems
     */
    public void check(Map<String, List<Long>> expected) {
        check(expected, "the configuration");
    }

    /** As the other one, with what messages call that which the tensors must fit. */
    void check(Map<String, List<Long>> expected, String what) {
        List<String> problems = new ArrayList<>();
        expected.forEach((name, shape) -> {
            TensorEntry tensor = tensors.get(name);
            if (tensor == null) {
                if (absent.containsKey(name)) {
                    throw missing(name);
                }
                problems.add(ModelFile.printable(name) + " is missing");
            } else if (!tensor.shape().equals(shape)) {
                problems.add(ModelFile.printable(name) + " must have shape " + shape + ", but has "
                        + ModelFile.shown(tensor.shape()));
            } else if (!tensor.type().isSupportedWeight()) {
                problems.add(
                        ModelFile.printable(name) + " must be stored as F32, F16 or BF16, but is " + tensor.type());
            }
        });
        if (!problems.isEmpty()) {
            int named = Math.min(problems.size(), NAMED_PROBLEMS);
            String rest = problems.size() > named ? "; and " + (problems.size() - named) + " more" : "";
            throw new ModelLoadException(label + ": the weights do not fit " + what + ": "
                    + String.join("; ", problems.subList(0, named)) + rest);
        }
        long unused = tensors.keySet().stream()
                .filter(name -> !expected.containsKey(name))
                .count();
        if (unused > 0) {
            LOG.debug("{}: {} tensors are not used", label, unused);
        }
    }
}
