package io.github.zimage.internal.torchfile;

import io.github.zimage.internal.numbers.StorageType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A value that a pickle of tensors can hold. Numbers that are no whole ones, and what is none, are {@link Other}. */
sealed interface Pickled {
    /** What is of no use here, such as None. */
    record Other() implements Pickled {}

    /**
     * A text.
     *
     * @param value it
     */
    record Text(String value) implements Pickled {}

    /**
     * A whole number, or as 0 and 1 what is false or true.
     *
     * @param value it
     */
    record Whole(long value) implements Pickled {}

    /**
     * A list or a tuple.
     *
     * @param values grow as long as the pickle is read
     */
    record Sequence(List<Pickled> values) implements Pickled {
        Sequence() {
            this(new ArrayList<>());
        }
    }

    /**
     * A dictionary with texts or whole numbers as keys.
     *
     * @param values grow as long as the pickle is read
     */
    record Dictionary(Map<String, Pickled> values) implements Pickled {
        Dictionary() {
            this(new LinkedHashMap<>());
        }
    }

    /** A class or function that is let through. */
    enum Known implements Pickled {
        /** A dictionary. */
        ORDERED_DICT,
        /** Makes a tensor of a part of a storage. */
        REBUILD_TENSOR,
        /** Makes a parameter of a tensor. */
        REBUILD_PARAMETER
    }

    /**
     * The class of a storage of numbers.
     *
     * @param type their format
     */
    record StorageClass(StorageType type) implements Pickled {}

    /**
     * Numbers that lie elsewhere in the file.
     *
     * @param key their name there
     * @param type their format
     * @param elements how many there are
     */
    record Storage(String key, StorageType type, long elements) implements Pickled {}

    /**
     * A part of a storage.
     *
     * @param storage that
     * @param offset its first number
     * @param shape its dimensions
     * @param strides how many numbers lie between neighbours in each
     */
    record TensorPart(Storage storage, long offset, List<Long> shape, List<Long> strides) implements Pickled {}
}
