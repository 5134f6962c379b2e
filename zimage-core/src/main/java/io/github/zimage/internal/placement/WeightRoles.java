package io.github.zimage.internal.placement;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What the engine does with the weights of a component, by their names.
 *
 * @param block those of blocks that can stay or be streamed; its first group is the block's name. Only these can be of 8 bits.
 * @param once the names of blocks that run only once a request, and so never stay if others are streamed
 * @param fp32 what computes in FP32 always
 * @param modulation what turns timesteps into the norms of blocks, and is loaded for each new schedule
 * @param embeddings the table of embeddings, of which only some rows are read; or null
 */
public record WeightRoles(
        Pattern block,
        Pattern once,
        Pattern fp32,
        Pattern modulation,
        @Nullable String embeddings) {
    /** Matches no name. */
    public static final Pattern NONE = Pattern.compile("(?!)");
}
