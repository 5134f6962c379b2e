package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Blocks;
import io.github.zimage.internal.placement.Blocks.Range;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * A ControlNet: makes of control pictures' latents hints that are added to the transformer's streams. A port of diffusers' {@code
 * ZImageControlNetModel}. What it shares with the transformer (embedders of noise, time and caption, refiners, pad tokens, rotations) is the
 * transformer's. Its blocks run between those of the transformer, each right before its hint is wanted: see {@link ControlPass}.
 */
public final class ZImageControlNetModel {
    private final ControlNetConfig config;
    private final WeightStore weights;
    private final Linear embedder;
    /** Leads into the first block that refines; null if none takes the noise in. */
    private final @Nullable Linear beforeRefiner;

    private final Linear beforeLayers;
    private final List<String> names;
    private final Blocks<ControlBlock> blocks;
    private final List<BlockNorms> norms = new ArrayList<>();
    private final ControlModulations keptModulations;

    /** Takes the weights from a store, which must stay open as long as the model is used. Places are as for the transformer's blocks. */
    public ZImageControlNetModel(
            ControlNetConfig config,
            WeightStore weights,
            Kernels kernels,
            Residence residence,
            BlockSource.Maker blockSource) {
        this.config = config;
        this.weights = weights;
        embedder = Linear.load(weights, ControlNetConfig.EMBEDDER, true, kernels.type());
        beforeLayers = Linear.load(weights, ControlNetConfig.LAYERS + ControlNetConfig.BEFORE, true, kernels.type());
        beforeRefiner = !config.variant().hintsRefiner()
                ? null
                : config.variant().refinesWithLayers()
                        ? beforeLayers
                        : Linear.load(
                                weights, ControlNetConfig.REFINER + ControlNetConfig.BEFORE, true, kernels.type());
        names = config.blocks();
        blocks = new Blocks<>(
                names,
                names.size(),
                residence,
                () -> ControlBlock.layout(weights.index(), names.get(0), kernels.weightType()),
                weights,
                blockSource,
                (source, name) -> new ControlBlock(source, name, config.base(), kernels));
        names.forEach(name -> norms.add(BlockNorms.load(weights, name)));
        keptModulations = weights.own(new ControlModulations());
    }

    /** Returns its shape. */
    public ControlNetConfig config() {
        return config;
    }

    /** Returns how many blocks it has. */
    int blockCount() {
        return names.size();
    }

    /**
     * Returns what a control picture begins with in every step: its tokens, embedded, and led into the first block if that takes the noise in.
     *
     * @param latents [C, h, w] fp32
     * @param additions what adapters add to the transformer, whose pad token stands behind the picture's
     * @return [N, dim] fp32
     */
    Tensor start(Tensor latents, ZImageTransformer2DModel base, TransformerAdditions additions) {
        return Tensors.scoped(() -> {
            Tensor tokens = embedder.forward(ZImageTransformer2DModel.patchify(latents));
            Tensor padded = base.paddedImage(tokens, additions);
            return beforeRefiner == null ? padded : Tensors.cast(beforeRefiner.forward(padded), ScalarType.Float);
        });
    }

    /**
     * Returns what the control layers begin with, before the picture's own stream is added: the refined control picture with the caption.
     *
     * @param control [N, dim] fp32
     * @param caption [T, dim] fp32
     * @return [N + T, dim] fp32
     */
    Tensor joined(Tensor control, Tensor caption) {
        Tensor rows = torch.cat(new TensorVector(control, caption)); // [N, dim] -> [N + T, dim]
        return Tensors.cast(beforeLayers.forward(rows), ScalarType.Float);
    }

    /**
     * Returns the norms of all blocks, one row a timestep, or what they were before. Can be used until the current scope ends.
     *
     * @return [steps, blocks * 4 * dim] fp32
     */
    Tensor norms(List<Float> timesteps, ZImageTransformer2DModel base, TransformerAdditions additions) {
        return keptModulations.get(timesteps, additions, () -> {
            float[] times = new float[timesteps.size()];
            for (int i = 0; i < times.length; i++) {
                times[i] = timesteps.get(i);
            }
            Tensor adaLnInput = base.embedded(times, additions); // [steps, adaLnDim]
            TensorVector columns = new TensorVector();
            for (int i = 0; i < names.size(); i++) {
                columns.push_back(modulated(i, adaLnInput));
            }
            return torch.cat(columns, 1); // blocks x [steps, 4 * dim] -> [steps, blocks * 4 * dim]
        });
    }

    private Tensor modulated(int block, Tensor adaLnInput) {
        try (WeightStore passing = weights.reopened()) {
            Linear adaLnModulation =
                    Linear.load(passing, names.get(block) + ".adaLN_modulation.0", true, ScalarType.Float);
            return norms.get(block).modulatedRows(adaLnModulation, adaLnInput);
        }
    }

    /** Begins to run some of the blocks; see {@link Blocks#pass}. */
    Blocks<ControlBlock>.Pass pass(Range range, Range next) {
        return blocks.pass(range, next);
    }

    /** Frees the memory of blocks that come and go, until the model is used again. */
    public void rest() {
        blocks.rest();
    }

    /** Frees what is kept for schedules that come again. */
    public void forget() {
        keptModulations.close();
    }

    /** Frees what is kept for schedules with adapters, which come and go. */
    void forgetAdapted() {
        keptModulations.forgetAdapted();
    }
}
