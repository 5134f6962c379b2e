package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import io.github.zimage.internal.safetensors.TensorEntry;
import org.jspecify.annotations.Nullable;

/**
 * What an adapter does to a weight.
 *
 * @param tensor the weight's name, such as {@code layers.0.attention.to_q.weight}
 * @param delta what is added to it at weight 1
 * @param magnitude the lengths of its rows after that, [out] or [out, 1]; null where nothing is said of them
 */
record Change(
        Component component,
        String tensor,
        Delta delta,
        @Nullable TensorEntry magnitude) {}
