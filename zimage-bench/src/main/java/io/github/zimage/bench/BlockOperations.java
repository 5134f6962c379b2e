package io.github.zimage.bench;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.Heads;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.weights.WeightStore;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The operations of a transformer's block, by name. */
final class BlockOperations {
    static final double EPS = 1e-5;

    private final TransformerConfig config;
    private final RandomTensors random;
    private final int rows;
    private final Tensor scale;
    private final Rows y;
    private final Map<String, Operation> operations = new LinkedHashMap<>();

    /** What is run on both sides, on a stream that it may change. */
    interface Operation {
        List<Tensor> run(Kernels kernels, Layers layers, Tensor stream);
    }

    /** The layers of a block. */
    record Layers(JointProjection qkv, Projection out, JointProjection gateAndUp, Projection down) {
        static Layers load(Kernels kernels, WeightStore weights) {
            String attention = "layers.0.attention.";
            String feedForward = "layers.0.feed_forward.";
            return new Layers(
                    kernels.jointProjection(
                            weights, List.of(attention + "to_q", attention + "to_k", attention + "to_v"), false),
                    kernels.projection(weights, attention + "to_out.0", false),
                    kernels.jointProjection(weights, List.of(feedForward + "w1", feedForward + "w3"), false),
                    kernels.downProjection(weights, feedForward + "w2"));
        }
    }

    private BlockOperations(TransformerConfig config, RandomTensors random, int rows) {
        this.config = config;
        this.random = random;
        this.rows = rows;
        this.scale = random.aroundOne(config.dim());
        this.y = Rows.of(random.bf16(rows, config.dim()));
    }

    /** Returns those that a precision makes a difference to, and in BF16 all. */
    static Map<String, Operation> of(TransformerConfig config, RandomTensors random, Precision precision, int rows) {
        BlockOperations block = new BlockOperations(config, random, rows);
        if (precision == Precision.BF16) {
            block.addNorms();
            block.addHeads();
        }
        block.addProducts(precision);
        return block.operations;
    }

    private void addNorms() {
        Tensor nextScale = random.aroundOne(config.dim());
        operations.put("norm", (kernels, layers, x) -> floats(kernels.normScale(x, scale, EPS)));
        operations.put("add norm", (kernels, layers, x) -> {
            kernels.addNormScale(x, y, scale, EPS);
            return List.of(x);
        });
        operations.put("add norm, norm", (kernels, layers, x) -> {
            Rows next = kernels.addNormScaleNorm(x, y, scale, nextScale, EPS);
            return List.of(x, next.values());
        });
    }

    private void addHeads() {
        int headDim = config.headDim();
        Tensor rotation = torch.view_as_complex(random.floats(rows, 1, headDim / 2, 2));
        Heads.Recipe recipe = new Heads.Recipe(
                config.heads(), random.floats(headDim), random.floats(headDim), EPS, rotation, rotation);
        JointProjection same = x -> List.of(x, x, x);
        operations.put(
                "norm, norms and rotations of heads",
                (kernels, layers, x) -> tensors(kernels.heads(x, scale, EPS, same, recipe)));
        operations.put(
                "norm, q, k, v, norms and rotations of heads",
                (kernels, layers, x) -> tensors(kernels.heads(x, scale, EPS, layers.qkv(), recipe)));
    }

    private void addProducts(Precision precision) {
        int hidden = config.ffnDim();
        Tensor both = random.bf16(rows, 2L * hidden);
        Rows gate = Rows.of(both.narrow(1, 0, hidden));
        Rows up = Rows.of(both.narrow(1, hidden, hidden));
        if (precision == Precision.BF16) {
            operations.put("swiglu", (kernels, layers, x) -> floats(kernels.swiglu(gate, up)));
        }
        operations.put(
                "norm, q, k, v",
                (kernels, layers, x) -> floats(layers.qkv().forward(kernels.normScale(x, scale, EPS))));
        operations.put("out", (kernels, layers, x) -> floats(layers.out().forward(kernels.rows(y.values()))));
        operations.put(
                "norm, w1, w3",
                (kernels, layers, x) -> floats(layers.gateAndUp().forward(kernels.normScale(x, scale, EPS))));
        operations.put(
                "swiglu, w2", (kernels, layers, x) -> floats(layers.down().forward(kernels.swiglu(gate, up))));
    }

    private static List<Tensor> floats(Rows rows) {
        return floats(List.of(rows));
    }

    /** Without work where there is no scale, so that what is timed is what runs in a picture. */
    private static List<Tensor> floats(List<Rows> rows) {
        return rows.stream()
                .map(each -> each.scale() == null ? each.values() : each.floats())
                .toList();
    }

    private static List<Tensor> tensors(Heads heads) {
        return List.of(heads.query(), heads.key(), heads.value());
    }
}
