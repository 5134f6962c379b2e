package io.github.zimage.internal.runtime;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Where a module takes its weights from. */
public interface TensorSource {
    /** Returns a weight in a type, in the shape it is stored in; the source owns it. */
    Tensor get(String name, ScalarType type);

    /**
     * Returns matrices of the same width as one, each below the one before it, if that takes no more memory than they do by
     * themselves; the source owns it. Null if it would, or if the source cannot.
     */
    default @Nullable Tensor joined(List<String> names, ScalarType type) {
        return null;
    }

    /** Keeps a tensor that was made of weights as long as these are there. */
    Tensor own(Tensor tensor);

    /** Returns the shape of a weight. */
    List<Long> shape(String name);

    /** Returns where the weights lie. */
    TensorPlace place();
}
