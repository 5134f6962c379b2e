package io.github.zimage.internal.generation;

import io.github.zimage.Component;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.RowData;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.regex.Pattern;

/**
 * A source of weights that no file has: those of a checkpoint, changed while they are read, and which of them were. It is behind the same seam
 * as adapters and other layouts of files, so that what holds for these weights holds for theirs.
 */
final class ChangedWeights {
    private final Set<String> read = new ConcurrentSkipListSet<>();

    /** Changes a number of a weight. */
    interface Change {
        /**
         * Returns the number to take.
         *
         * @param index its place among all numbers of the weight
         */
        float of(float value, long index);
    }

    /** Returns a checkpoint in which some weights of a component are others. */
    static Checkpoint of(Checkpoint checkpoint, Component component, String names, Change change) {
        return new ChangedWeights().changed(checkpoint, component, names, change);
    }

    /** As {@link #of}, remembering what is read of those weights. */
    Checkpoint changed(Checkpoint checkpoint, Component component, String names, Change change) {
        Pattern pattern = Pattern.compile(names);
        WeightIndex index = checkpoint.weights(component);
        if (index.tensors().keySet().stream()
                .noneMatch(name -> pattern.matcher(name).matches())) {
            throw new IllegalArgumentException("no weight of " + component + " is like " + names);
        }
        return checkpoint.withWeights(
                component,
                index.with((name, entry) -> pattern.matcher(name).matches()
                        ? new Changed(entry, change).entry(name, entry.shape())
                        : entry));
    }

    /** Returns the names of those that were read since the last time that this was called. */
    Set<String> takeRead() {
        Set<String> taken = new TreeSet<>(read);
        read.clear();
        return taken;
    }

    private final class Changed extends RowData {
        private final TensorEntry entry;
        private final Change change;

        Changed(TensorEntry entry, Change change) {
            super((int) (entry.elements() / entry.shape().get(0)));
            this.entry = entry;
            this.change = change;
        }

        @Override
        protected void rows(FileReader files, long first, float[] values) throws IOException {
            read.add(entry.name());
            float[] stored = floats(files, entry, first * columns(), values.length);
            for (int i = 0; i < values.length; i++) {
                values[i] = change.of(stored[i], first * columns() + i);
            }
        }

        @Override
        public List<Path> files() {
            return entry.data().files();
        }

        @Override
        public String key() {
            return "changed " + System.identityHashCode(change);
        }
    }
}
