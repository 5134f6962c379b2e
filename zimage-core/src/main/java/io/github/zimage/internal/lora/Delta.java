package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.LowRank;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What an adapter adds to a matrix [out, in], at weight 1. Immutable. */
interface Delta {
    /** Returns what the kind is called, such as LoRA. */
    String kind();

    /** Returns the tensors that it is made of. */
    List<TensorEntry> factors();

    /** Returns its shape, [out, in]. */
    List<Long> shape();

    /** Returns what alpha is divided by; 0 where there is nothing to divide. */
    int rank();

    /** Returns what the product of the factors is multiplied by. */
    double scale();

    /** Returns the same times a number. */
    Delta times(double factor);

    /** Returns some of its rows; null if they are not of the same kind. */
    @Nullable
    Delta rows(long first, long count);

    /**
     * Adds some of its rows to others.
     *
     * @param rows [count, in], changed
     */
    void addRows(FileReader files, long first, float[] rows) throws IOException;

    /** Returns it as the product of two narrow matrices; null if it is none, or if that would cost more than the matrix. */
    default @Nullable LowRank lowRank() {
        return null;
    }

    /** Returns how many numbers are multiplied to add what it makes of a row; 0 for what is no matrix. */
    default long products() {
        LowRank factors = lowRank();
        if (shape().size() != 2) {
            return 0;
        }
        long out = shape().get(0);
        long in = shape().get(1);
        return factors == null ? out * in : factors.rank() * (out + in);
    }

    /** Returns a text that changes with the numbers' places and the scale. */
    default String key() {
        StringBuilder key = new StringBuilder(kind()).append(' ').append(scale());
        for (TensorEntry each : factors()) {
            key.append(' ')
                    .append(each.type())
                    .append(each.shape())
                    .append(each.data().files())
                    .append(each.offset())
                    .append(each.data().key());
        }
        return key.toString();
    }
}
