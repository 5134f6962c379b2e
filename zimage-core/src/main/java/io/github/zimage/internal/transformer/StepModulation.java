package io.github.zimage.internal.transformer;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * All that depends on a step's timestep.
 *
 * @param timestep from 0 (noise) to 1 (picture)
 * @param blocks the norms of the noise refiner's blocks, then those of the main blocks
 * @param finalLayer the final layer's scale, [dim] fp32
 */
public record StepModulation(float timestep, List<BlockNorms> blocks, Tensor finalLayer) {

    /** Returns the norms of all blocks, in the order of {@link BlockNorms}, and behind them the final layer's scale. */
    public List<Tensor> tensors() {
        List<Tensor> all = new ArrayList<>();
        for (BlockNorms each : blocks) {
            all.addAll(List.of(each.attentionNorm1(), each.attentionNorm2(), each.ffnNorm1(), each.ffnNorm2()));
        }
        all.add(finalLayer);
        return all;
    }
}
