package io.github.zimage.bench;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.transformer.BlockNorms;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.ZImageTransformerBlock;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Relative L2 error of a transformer's first block over random rows in one number format, against another one.
 *
 * @param output of what the block gives
 * @param addition the same error against what the block adds to the stream
 */
record BlockError(double output, double addition) {
    private static final String BLOCK = "layers.0";

    /**
     * Measures it, with as many rows as a picture and its prompt have.
     *
     * @param checkpoint with its own weights, of which all formats are made
     */
    static BlockError measure(Checkpoint checkpoint, CheckpointOptions options, Precision reference) {
        try (PointerScope scope = new PointerScope()) {
            long side = options.size / checkpoint.vae().scale() / 2;
            long rows = side * side + options.textTokens;
            long pairs = checkpoint.transformer().headDim() / 2;
            Tensor x = random(1, rows, checkpoint.transformer().dim());
            Tensor angles = random(2, rows, 1, pairs);
            Tensor key = torch.polar(torch.ones_like(angles), angles);
            RotaryEmbedding rotary = new RotaryEmbedding(key.mul(new Scalar(1 / Math.sqrt(2.0 * pairs))), key);
            Tensor exact = block(checkpoint, reference, x, rotary);
            Tensor rounded = block(checkpoint, options.precision, x, rotary);
            double error = norm(rounded.sub(exact));
            return new BlockError(error / norm(exact), error / norm(exact.sub(x)));
        }
    }

    private static Tensor block(Checkpoint checkpoint, Precision precision, Tensor x, RotaryEmbedding rotary) {
        try (WeightStore weights = new WeightStore(checkpoint.weights(Component.TRANSFORMER), done -> {})) {
            ZImageTransformerBlock block = new ZImageTransformerBlock(
                    weights,
                    BLOCK,
                    checkpoint.transformer(),
                    new CpuKernels(AttentionSelector.select(AttentionBackend.AUTO, precision), precision));
            Tensor rows = x.clone();
            block.forward(rows, rotary, BlockNorms.load(weights, BLOCK));
            return rows;
        }
    }

    private static Tensor random(long seed, long... shape) {
        return torch.randn(
                shape, new GeneratorOptional(torch.make_generator_cpu(seed)), new TensorOptions(ScalarType.Float));
    }

    private static double norm(Tensor x) {
        return x.norm().item_double();
    }
}
