package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.TransformerConfig;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
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
    private final Kernels kernels;
    private final Linear xEmbedder;
    private final TimestepEmbedder tEmbedder;
    private final Tensor capEmbedderNorm;
    private final Linear capEmbedder;
    private final Tensor xPadToken;
    private final Tensor capPadToken;
    private final List<ZImageTransformerBlock> noiseRefiner;
    private final List<ZImageTransformerBlock> contextRefiner;
    private final List<ZImageTransformerBlock> layers;
    private final FinalLayer finalLayer;
    private final RopeEmbedder ropeEmbedder;

    /** Takes the model's weights from a store, which must stay open as long as the model is used. */
    public ZImageTransformer2DModel(TransformerConfig config, WeightStore weights, Kernels kernels) {
        this.config = config;
        this.kernels = kernels;
        xEmbedder = Linear.load(weights, "all_x_embedder." + PATCH_KEY, true, kernels.type());
        tEmbedder = new TimestepEmbedder(weights);
        capEmbedderNorm = weights.get("cap_embedder.0.weight", ScalarType.Float);
        capEmbedder = Linear.load(weights, "cap_embedder.1", true, kernels.type());
        xPadToken = weights.get("x_pad_token", ScalarType.Float);
        capPadToken = weights.get("cap_pad_token", ScalarType.Float);
        noiseRefiner = blocks(weights, "noise_refiner", config.refinerLayers(), true);
        contextRefiner = blocks(weights, "context_refiner", config.refinerLayers(), false);
        layers = blocks(weights, "layers", config.layers(), true);
        finalLayer = new FinalLayer(weights, "all_final_layer." + PATCH_KEY, kernels);
        ropeEmbedder = new RopeEmbedder(config);
    }

    private List<ZImageTransformerBlock> blocks(WeightStore weights, String name, int count, boolean modulation) {
        List<ZImageTransformerBlock> blocks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            blocks.add(new ZImageTransformerBlock(weights, name + "." + i, config, modulation, kernels));
        }
        return blocks;
    }

    /**
     * Embeds and refines a caption.
     *
     * @param promptEmbeddings [tokens, cap_feat_dim] fp32
     */
    public Caption caption(Tensor promptEmbeddings) {
        int tokens = Math.toIntExact(promptEmbeddings.size(0));
        int length = padded(tokens);
        int[][] positions = new int[length][];
        for (int i = 0; i < length; i++) {
            positions[i] = new int[] {1 + i, 0, 0};
        }
        Rotations rotations = ropeEmbedder.forward(positions);
        Tensor context = Tensors.scoped(() -> {
            Tensor normed = Kernels.rmsNorm(promptEmbeddings, capEmbedderNorm, config.normEps());
            Tensor x = padded(capEmbedder.forward(normed), capPadToken); // [tokens, dim] -> [T, dim]
            for (ZImageTransformerBlock block : contextRefiner) {
                block.forward(x, rotations, block.norms());
            }
            return x;
        });
        return new Caption(context, rotations);
    }

    /**
     * Computes all that depends on the timesteps.
     *
     * @param timesteps one a step, from 0 (noise) to 1 (picture)
     */
    public List<StepModulation> modulations(float[] timesteps) {
        float[] scaled = timesteps.clone();
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] *= (float) config.tScale();
        }
        Tensor adaLnInput = tEmbedder.forward(scaled); // [steps, adaLnDim]
        List<List<BlockNorms>> noiseRefinerNorms =
                noiseRefiner.stream().map(b -> b.modulated(adaLnInput)).toList();
        List<List<BlockNorms>> layerNorms =
                layers.stream().map(b -> b.modulated(adaLnInput)).toList();
        List<Tensor> finalScales = finalLayer.scales(adaLnInput);
        List<StepModulation> steps = new ArrayList<>();
        for (int i = 0; i < timesteps.length; i++) {
            int step = i;
            steps.add(new StepModulation(
                    noiseRefinerNorms.stream().map(norms -> norms.get(step)).toList(),
                    layerNorms.stream().map(norms -> norms.get(step)).toList(),
                    finalScales.get(step)));
        }
        return steps;
    }

    /**
     * Returns the rotations of a picture's tokens, which follow those of its caption on the first axis.
     *
     * @param latentHeight rows of the latents
     * @param latentWidth columns of the latents
     */
    public Rotations imageRotations(int latentHeight, int latentWidth, Caption caption) {
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

    /**
     * Runs the transformer over several pictures.
     *
     * @param inputs the pictures
     * @param step what the timestep gave
     * @param betweenBlocks called before each block; throws to cancel
     * @return for each picture the velocity towards it, [C, h, w] fp32
     */
    public List<Tensor> forward(List<TransformerInput> inputs, StepModulation step, Runnable betweenBlocks) {
        List<Tensor> hidden = new ArrayList<>();
        List<Rotations> rotations = new ArrayList<>();
        for (TransformerInput input : inputs) {
            hidden.add(Tensors.scoped(() -> padded(xEmbedder.forward(patchify(input.latents())), xPadToken)));
            rotations.add(input.imageRotations());
        }
        run(noiseRefiner, hidden, rotations, step.noiseRefiner(), betweenBlocks);
        for (int i = 0; i < inputs.size(); i++) {
            Caption caption = inputs.get(i).caption();
            hidden.set(i, torch.cat(new TensorVector(hidden.get(i), caption.context()))); // [N, dim] -> [S, dim]
            rotations.set(i, Rotations.concat(rotations.get(i), caption.rotations()));
        }
        run(layers, hidden, rotations, step.layers(), betweenBlocks);
        List<Tensor> velocities = new ArrayList<>();
        for (int i = 0; i < inputs.size(); i++) {
            velocities.add(velocity(hidden.get(i), inputs.get(i).latents(), step.finalLayer()));
        }
        return velocities;
    }

    private static void run(
            List<ZImageTransformerBlock> blocks,
            List<Tensor> hidden,
            List<Rotations> rotations,
            List<BlockNorms> norms,
            Runnable betweenBlocks) {
        for (int block = 0; block < blocks.size(); block++) {
            betweenBlocks.run();
            for (int i = 0; i < hidden.size(); i++) {
                blocks.get(block).forward(hidden.get(i), rotations.get(i), norms.get(block));
            }
        }
    }

    private Tensor velocity(Tensor hidden, Tensor latents, Tensor scale) {
        return Tensors.scoped(() -> {
            long height = latents.size(1);
            long width = latents.size(2);
            Tensor image = hidden.narrow(0, 0, height / PATCH * (width / PATCH)); // [S, dim] -> [N, dim]
            return unpatchify(Tensors.cast(finalLayer.forward(image, scale), ScalarType.Float), height, width);
        });
    }

    /** [C, h, w] to [N, patch * patch * C], channels fastest. */
    private static Tensor patchify(Tensor latents) {
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

    /** Appends pad tokens until the length is a multiple of 32, and turns the type to FP32. */
    private static Tensor padded(Tensor x, Tensor padToken) {
        long length = x.size(0);
        Tensor result = Tensors.empty(ScalarType.Float, padded((int) length), x.size(1));
        try (PointerScope scope = new PointerScope()) {
            result.narrow(0, 0, length).copy_(x);
            result.narrow(0, length, result.size(0) - length).copy_(padToken);
        }
        return result;
    }

    private static int padded(int length) {
        return (length + SEQ_MULTI_OF - 1) / SEQ_MULTI_OF * SEQ_MULTI_OF;
    }
}
