package io.github.zimage.internal.runtime;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Where a module takes its weights from. */
public interface TensorSource {
    /** Returns a weight in a type, in the shape it is stored in; the source owns it. */
    Tensor get(String name, ScalarType type);
}
