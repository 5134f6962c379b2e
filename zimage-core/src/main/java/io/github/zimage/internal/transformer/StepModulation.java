package io.github.zimage.internal.transformer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * All that depends on a step's timestep.
 *
 * @param blocks the norms of the noise refiner's blocks, then those of the main blocks
 * @param finalLayer the final layer's scale, [dim] fp32
 */
public record StepModulation(List<BlockNorms> blocks, Tensor finalLayer) {}
