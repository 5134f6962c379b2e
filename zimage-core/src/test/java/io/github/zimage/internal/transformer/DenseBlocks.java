package io.github.zimage.internal.transformer;

import io.github.zimage.Nag;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.weights.WeightStore;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The main blocks with guidance by attention, written down in FP64 as the formulas say: each caption stands at its own positions from 1 on, and
 * the picture is rotated anew behind each.
 */
final class DenseBlocks {
    private final TransformerConfig config;
    private final WeightStore weights;
    private final int rows;
    private final int columns;
    private final int caption;

    /**
     * Takes sizes.
     *
     * @param rows of the picture's tokens, and columns, whose product is a multiple of 32
     * @param caption how many tokens stand for what the picture shall show; those behind them for what it shall not
     */
    DenseBlocks(TransformerConfig config, WeightStore weights, int rows, int columns, int caption) {
        this.config = config;
        this.weights = weights;
        this.rows = rows;
        this.columns = columns;
        this.caption = caption;
    }

    /** Returns the stream behind the last block, [S, dim] fp64. */
    Tensor run(Tensor x, StepModulation step, Nag nag) {
        Tensor stream = x;
        for (int i = 0; i < config.layers(); i++) {
            BlockNorms norms = step.blocks().get(config.refinerLayers() + i);
            String name = "layers." + i;
            Tensor normed = norm(stream, norms.attentionNorm1());
            Tensor attended = linear(attention(normed, name + ".attention", nag), name + ".attention.to_out.0");
            stream = stream.add(norm(attended, norms.attentionNorm2()));
            Tensor inner = norm(stream, norms.ffnNorm1());
            Tensor gate = torch.silu(linear(inner, name + ".feed_forward.w1"));
            Tensor fed = linear(gate.mul(linear(inner, name + ".feed_forward.w3")), name + ".feed_forward.w2");
            stream = stream.add(norm(fed, norms.ffnNorm2()));
        }
        return stream;
    }

    private Tensor attention(Tensor x, String name, Nag nag) {
        int image = rows * columns;
        int[] all = IntStream.range(0, Math.toIntExact(x.size(0))).toArray();
        int[] shown = IntStream.of(all).filter(row -> row < image + caption).toArray();
        int[] avoided = IntStream.of(all)
                .filter(row -> row < image || row >= image + caption)
                .toArray();
        Tensor positive = attend(take(x, shown), name);
        Tensor negative = attend(take(x, avoided), name);
        Tensor plus = positive.narrow(0, 0, image);
        Tensor minus = negative.narrow(0, 0, image);
        Tensor guided = plus.mul(new Scalar(nag.scale())).sub(minus.mul(new Scalar(nag.scale() - 1)));
        Tensor ratio = lengths(guided).div(lengths(plus));
        guided = guided.mul(ratio.clamp_max(new Scalar(nag.tau()))).div(ratio);
        Tensor combined = guided.mul(new Scalar(nag.alpha())).add(plus.mul(new Scalar(1 - nag.alpha())));
        return torch.cat(new TensorVector(
                combined,
                positive.narrow(0, image, caption),
                negative.narrow(0, image, (long) avoided.length - image)));
    }

    private static Tensor lengths(Tensor x) {
        return x.abs().sum(new long[] {1}, true, new ScalarTypeOptional());
    }

    private static Tensor take(Tensor x, int[] indices) {
        TensorVector taken = new TensorVector();
        for (int index : indices) {
            taken.push_back(x.narrow(0, index, 1));
        }
        return torch.cat(taken);
    }

    /** Attention of a picture and a caption behind it, all to all: [S, dim] to [S, dim]. */
    private Tensor attend(Tensor x, String name) {
        Tensor rotation = rotation(Math.toIntExact(x.size(0)) - rows * columns);
        Tensor query = rotated(x, name + ".to_q", name + ".norm_q", rotation);
        Tensor key = rotated(x, name + ".to_k", name + ".norm_k", rotation);
        Tensor value = heads(linear(x, name + ".to_v")).transpose(0, 1); // [H, S, D]
        Tensor scores = torch.matmul(query, key.transpose(1, 2)).div(new Scalar(Math.sqrt(config.headDim())));
        return torch.matmul(torch.softmax(scores, -1), value).transpose(0, 1).reshape(x.size(0), config.dim());
    }

    private Tensor rotated(Tensor x, String linear, String norm, Tensor rotation) {
        Tensor heads = heads(linear(x, linear));
        if (config.qkNorm()) {
            heads = Kernels.rmsNorm(heads, weight(norm + ".weight"), 1e-5);
        }
        Tensor pairs = torch.view_as_complex(heads.view(x.size(0), config.heads(), config.headDim() / 2, 2));
        return torch.view_as_real(pairs.mul(rotation)).flatten(2, -1).transpose(0, 1); // [H, S, D]
    }

    private Tensor heads(Tensor x) {
        return x.view(x.size(0), config.heads(), config.headDim());
    }

    /** Rotations of a picture behind a caption of a length, and of the caption, [S, 1, D/2]. */
    private Tensor rotation(int length) {
        int image = rows * columns;
        int pairs = config.headDim() / 2;
        double[] angles = new double[(image + length) * pairs];
        for (int row = 0; row < image + length; row++) {
            int[] position = row < image
                    ? new int[] {length + 1, row / columns, row % columns}
                    : new int[] {row - image + 1, 0, 0};
            int pair = 0;
            for (int axis = 0; axis < 3; axis++) {
                int dim = config.axesDims().get(axis);
                for (int i = 0; i < dim; i += 2, pair++) {
                    angles[row * pairs + pair] = position[axis] / Math.pow(config.ropeTheta(), (double) i / dim);
                }
            }
        }
        Tensor angle = Tensor.create(angles, image + length, 1, pairs);
        return torch.polar(torch.ones_like(angle), angle);
    }

    private Tensor norm(Tensor x, Tensor weight) {
        return Kernels.rmsNorm(x, weight.to(ScalarType.Double), config.normEps());
    }

    private Tensor linear(Tensor x, String name) {
        return torch.matmul(x, weight(name + ".weight").t());
    }

    private Tensor weight(String name) {
        return weights.get(name, ScalarType.Float).to(ScalarType.Double);
    }
}
