package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.TransformerConfig;
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
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The diffusion transformer: latents, a timestep and a caption in, a velocity out. A port of diffusers'
 * {@code ZImageTransformer2DModel.forward}.
 *
 * <p>Several pictures go through a block one after the other, each at its own length, so that a picture does not depend on what it
 * is drawn together with.
 */
public final class ZImageTransformer2DModel {
    private static final int SEQ_MULTI_OF = 32;
    private static final int PATCH = TransformerConfig.PATCH_SIZE;
    private static final String PATCH_KEY = PATCH + "-1";

    private final TransformerConfig config;
    private final Linear xEmbedder;
    private final TimestepEmbedder tEmbedder;
    private final Tensor capEmbedderNorm;
    private final Linear capEmbedder;
    private final Tensor xPadToken;
    private final Tensor capPadToken;
    /** The names of the blocks that a step runs through, and that its timestep modulates. */
    private final List<String> stepBlocks;
    /** Those, and the context refiner's behind them. */
    private final Blocks<ZImageTransformerBlock> blocks;

    private final Range stepRange;
    private final Range captionRange;
    private final List<BlockNorms> norms = new ArrayList<>();
    private final KeptModulations keptModulations;
    private final Kernels kernels;
    private final List<String> blockNames;
    private final WeightStore weights;
    private final FinalLayer finalLayer;
    private final RopeEmbedder ropeEmbedder;

    /**
     * Takes the model's weights from a store, which must stay open as long as the model is used.
     *
     * <p>If the blocks are streamed, the refiners' are, too: at full size each is as large as any other. Those of the context refiner
     * never stay then, since they run only once for a picture. What modulates the blocks is loaded for each new schedule, wherever they
     * are, since what it gives is kept; the rest, embedders, norms and final layer, stays, since it is small.
     */
    public ZImageTransformer2DModel(
            TransformerConfig config,
            WeightStore weights,
            Kernels kernels,
            Residence residence,
            BlockSource.Maker blockSource) {
        this.config = config;
        this.weights = weights;
        this.kernels = kernels;
        xEmbedder = Linear.load(weights, "all_x_embedder." + PATCH_KEY, true, kernels.type());
        tEmbedder = new TimestepEmbedder(weights);
        capEmbedderNorm = weights.get("cap_embedder.0.weight", ScalarType.Float);
        capEmbedder = Linear.load(weights, "cap_embedder.1", true, kernels.type());
        xPadToken = weights.get("x_pad_token", ScalarType.Float);
        capPadToken = weights.get("cap_pad_token", ScalarType.Float);
        List<String> names = new ArrayList<>();
        addNames(names, "noise_refiner", config.refinerLayers());
        addNames(names, "layers", config.layers());
        stepBlocks = List.copyOf(names);
        addNames(names, "context_refiner", config.refinerLayers());
        stepRange = new Range(0, stepBlocks.size());
        blockNames = List.copyOf(names);
        captionRange = new Range(stepBlocks.size(), names.size());
        blocks = new Blocks<>(
                names,
                stepBlocks.size(),
                residence,
                () -> ZImageTransformerBlock.layout(weights.index(), kernels.weightType()),
                weights,
                blockSource,
                (source, name) -> new ZImageTransformerBlock(source, name, config, kernels));
        names.forEach(name -> norms.add(BlockNorms.load(weights, name)));
        keptModulations = weights.own(new KeptModulations());
        finalLayer = new FinalLayer(weights, "all_final_layer." + PATCH_KEY, kernels);
        ropeEmbedder = new RopeEmbedder(config, weights.place());
    }

    private static void addNames(List<String> names, String prefix, int count) {
        for (int i = 0; i < count; i++) {
            names.add(prefix + "." + i);
        }
    }

    /** Frees the memory of blocks that come and go, until the model is used again. */
    public void rest() {
        blocks.rest();
    }

    /** Frees what is kept for schedules that come again. */
    public void forget() {
        keptModulations.close();
    }

    /**
     * Takes what adapters add to this model from a store, which must stay open as long as it is used. It does not depend on where the
     * model's weights are, and outlives them.
     *
     * @param adapters where the model computes, named as {@link io.github.zimage.internal.lora.AdapterTensors} says
     */
    public TransformerAdditions additions(WeightStore adapters) {
        return TransformerAdditions.load(adapters, blockNames, PATCH_KEY, kernels);
    }

    /** Frees what is kept for schedules with some additions, which are not used any more. */
    public void forget(TransformerAdditions additions) {
        keptModulations.forget(additions);
    }

    /** As the other one, without adapters. */
    public List<Caption> captions(List<Tensor> promptEmbeddings, Runnable betweenBlocks) {
        return captions(promptEmbeddings, TransformerAdditions.NONE, betweenBlocks);
    }

    /** As the other one, each at its own length and position. */
    public List<Caption> captions(
            List<Tensor> promptEmbeddings, TransformerAdditions additions, Runnable betweenBlocks) {
        return captions(promptEmbeddings.stream().map(CaptionText::of).toList(), betweenBlocks, additions);
    }

    /**
     * Embeds and refines captions, which steps are expected to follow.
     *
     * @param betweenBlocks called before each block; throws to cancel
     * @param additions what adapters add to the model for these captions and their pictures
     */
    public List<Caption> captions(List<CaptionText> texts, Runnable betweenBlocks, TransformerAdditions additions) {
        List<Tensor> contexts = new ArrayList<>();
        List<RotaryEmbedding> rotary = new ArrayList<>();
        for (CaptionText text : texts) {
            int length = Math.max(padded(text.tokens()), text.beside());
            contexts.add(Tensors.scoped(() -> {
                Tensor norm = BlockAdditions.sum(capEmbedderNorm, additions.capEmbedderNorm());
                Tensor normed = Kernels.rmsNorm(text.embeddings(), norm, config.normEps());
                return padded( // [tokens, dim] -> [T, dim]
                        capEmbedder.forward(normed, additions.capEmbedder()),
                        BlockAdditions.sum(capPadToken, additions.capPadToken()),
                        length);
            }));
            rotary.add(captionRotary(length, text.beside() == 0 ? length : text.beside()));
        }
        try (Blocks<ZImageTransformerBlock>.Pass pass = blocks.pass(captionRange, stepRange)) {
            for (int index = captionRange.from(); index < captionRange.to(); index++) {
                betweenBlocks.run();
                ZImageTransformerBlock block = pass.next();
                BlockAdditions added = additions.block(blockNames.get(index));
                try (PointerScope scope = new PointerScope()) {
                    BlockNorms own = added.sum(norms.get(index));
                    for (int i = 0; i < contexts.size(); i++) {
                        block.forward(contexts.get(i), rotary.get(i), own, added, null);
                    }
                }
            }
        }
        List<Caption> captions = new ArrayList<>();
        for (int i = 0; i < contexts.size(); i++) {
            captions.add(new Caption(contexts.get(i), rotary.get(i), additions));
        }
        return captions;
    }

    private RotaryEmbedding captionRotary(int length, int last) {
        int[][] positions = new int[length][];
        for (int i = 0; i < length; i++) {
            positions[i] = new int[] {last - length + 1 + i, 0, 0};
        }
        return ropeEmbedder.forward(positions);
    }

    /** As the other one, without adapters. */
    public List<StepModulation> modulations(float[] timesteps) {
        return modulations(timesteps, TransformerAdditions.NONE);
    }

    /**
     * Computes all that depends on the timesteps, or returns what they gave before. It can be used until the current scope ends.
     *
     * @param timesteps one a step, from 0 (noise) to 1 (picture)
     * @param additions what adapters add to the model
     * @throws io.github.zimage.ModelLoadException if the files with the weights for it are not what they were
     */
    public List<StepModulation> modulations(float[] timesteps, TransformerAdditions additions) {
        return keptModulations.get(timesteps, additions, () -> computedModulations(timesteps, additions));
    }

    /** Returns what modulates blocks of any kind at some timesteps: [steps, adaLnDim] fp32. */
    Tensor embedded(float[] timesteps, TransformerAdditions additions) {
        float[] scaled = timesteps.clone();
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] *= (float) config.tScale();
        }
        return tEmbedder.forward(scaled, additions);
    }

    private List<StepModulation> computedModulations(float[] timesteps, TransformerAdditions additions) {
        Tensor adaLnInput = embedded(timesteps, additions); // [steps, adaLnDim]
        List<List<BlockNorms>> blockNorms = new ArrayList<>();
        for (int i = 0; i < stepBlocks.size(); i++) {
            blockNorms.add(modulated(i, adaLnInput, additions.block(stepBlocks.get(i))));
        }
        List<Tensor> finalScales = finalLayer.scales(adaLnInput, additions);
        List<StepModulation> steps = new ArrayList<>();
        for (int i = 0; i < timesteps.length; i++) {
            int step = i;
            steps.add(new StepModulation(
                    timesteps[i],
                    blockNorms.stream().map(each -> each.get(step)).toList(),
                    finalScales.get(step)));
        }
        return steps;
    }

    private List<BlockNorms> modulated(int block, Tensor adaLnInput, BlockAdditions additions) {
        try (WeightStore passing = weights.reopened()) {
            Linear adaLnModulation =
                    Linear.load(passing, stepBlocks.get(block) + ".adaLN_modulation.0", true, ScalarType.Float);
            return additions.sum(norms.get(block)).modulated(adaLnModulation, additions.modulation(), adaLnInput);
        }
    }

    /**
     * Returns the rotary embedding of a picture's tokens, whose positions follow those of its caption on the first axis.
     *
     * @param latentHeight rows of the latents
     * @param latentWidth columns of the latents
     */
    public RotaryEmbedding imageRotary(int latentHeight, int latentWidth, Caption caption) {
        int rows = latentHeight / PATCH;
        int columns = latentWidth / PATCH;
        int[][] positions = new int[padded(rows * columns)][];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = i < rows * columns
                    ? new int[] {caption.length() + 1, i / columns, i % columns}
                    : new int[] {0, 0, 0};
        }
        return ropeEmbedder.forward(positions);
    }

    /** As the other one, with nothing that joins in. */
    public List<Tensor> forward(
            List<TransformerInput> inputs, StepModulation step, boolean runsAgain, Runnable betweenBlocks) {
        return forward(inputs, input -> step, runsAgain, betweenBlocks, List.of());
    }

    /**
     * Runs the transformer over several pictures.
     *
     * @param inputs the pictures
     * @param step what the timestep gave for each of them, which depends on what adapters add
     * @param runsAgain whether this is expected to be called again soon
     * @param betweenBlocks called before each block; throws to cancel
     * @param hooks what joins in between the blocks
     * @return for each picture the velocity towards it, [C, h, w] fp32
     */
    public List<Tensor> forward(
            List<TransformerInput> inputs,
            Function<TransformerInput, StepModulation> step,
            boolean runsAgain,
            Runnable betweenBlocks,
            List<BlockHook.Pass> hooks) {
        List<PictureStream> streams = new ArrayList<>();
        for (TransformerInput input : inputs) {
            streams.add(new PictureStream(input, step.apply(input), Tensors.scoped(() -> embedded(input))));
        }
        new StepRun(blocks, stepBlocks, config.refinerLayers(), runsAgain, betweenBlocks, hooks, streams).run();
        List<Tensor> velocities = new ArrayList<>();
        for (PictureStream each : streams) {
            velocities.add(velocity(each));
        }
        return velocities;
    }

    /** Returns a picture's tokens, padded: [N, dim] fp32. */
    private Tensor embedded(TransformerInput input) {
        TransformerAdditions additions = input.caption().additions();
        return paddedImage(xEmbedder.forward(patchify(input.latents()), additions.xEmbedder()), additions);
    }

    /** Returns tokens of a picture with pad tokens behind them: [N, dim] fp32. */
    Tensor paddedImage(Tensor tokens, TransformerAdditions additions) {
        return padded(
                tokens, BlockAdditions.sum(xPadToken, additions.xPadToken()), padded(Math.toIntExact(tokens.size(0))));
    }

    private Tensor velocity(PictureStream stream) {
        return Tensors.scoped(() -> {
            TransformerInput input = stream.input();
            long height = input.latents().size(1);
            long width = input.latents().size(2);
            Tensor image = stream.hidden().narrow(0, 0, height / PATCH * (width / PATCH)); // [S, dim] -> [N, dim]
            Tensor patches = finalLayer.forward(
                    image, stream.step().finalLayer(), input.caption().additions());
            return unpatchify(Tensors.cast(patches, ScalarType.Float), height, width);
        });
    }

    /** [C, h, w] to [N, patch * patch * C], channels fastest. */
    static Tensor patchify(Tensor latents) {
        long c = latents.size(0);
        long rows = latents.size(1) / PATCH;
        long columns = latents.size(2) / PATCH;
        return latents.view(c, rows, PATCH, columns, PATCH) // [C, rows, p, columns, p]
                .permute(1, 3, 2, 4, 0) // [rows, columns, p, p, C]
                .reshape(rows * columns, PATCH * PATCH * c);
    }

    /** [N, patch * patch * C] to [C, h, w]. */
    private static Tensor unpatchify(Tensor patches, long height, long width) {
        long c = patches.size(1) / (PATCH * PATCH);
        return patches.view(height / PATCH, width / PATCH, PATCH, PATCH, c) // [rows, columns, p, p, C]
                .permute(4, 0, 2, 1, 3) // [C, rows, p, columns, p]
                .reshape(c, height, width);
    }

    /** Appends pad tokens, and turns the type to FP32. */
    private Tensor padded(Tensor x, Tensor padToken, int padded) {
        long length = x.size(0);
        Tensor result = weights.place().empty(ScalarType.Float, padded, x.size(1));
        try (PointerScope scope = new PointerScope()) {
            result.narrow(0, 0, length).copy_(x);
            result.narrow(0, length, result.size(0) - length).copy_(padToken);
        }
        return result;
    }

    /** Returns the next multiple of 32. */
    private static int padded(int length) {
        return (length + SEQ_MULTI_OF - 1) / SEQ_MULTI_OF * SEQ_MULTI_OF;
    }
}
