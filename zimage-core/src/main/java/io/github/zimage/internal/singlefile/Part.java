package io.github.zimage.internal.singlefile;

import io.github.zimage.internal.weights.WeightIndex;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A part of a model, wherever it was found.
 *
 * @param place the file or folder
 * @param config its configuration
 * @param weights its tensors
 * @param note what of the configuration was assumed, or null if it was read
 * @param <C> the configuration's type
 */
record Part<C>(
        Path place, C config, WeightIndex weights, @Nullable String note) {}
