package io.github.zimage.bench;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.nn.AtenKernels;
import io.github.zimage.internal.nn.Heads;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Runs a device's kernels and LibTorch's operators on the same random numbers, and its attention backends and attention in FP32: how
 * far apart the results are, and how long each takes. Shapes and weights are a model's. Belongs to the thread that the device is in use
 * by, and to one JavaCPP scope, which holds the numbers.
 */
final class KernelCheck {
    /** Of a prompt of some sentences, beside which there are the tokens of the picture. */
    private static final int TEXT_TOKENS = 64;

    private static final double EPS = 1e-5;
    private static final int WARM_UPS = 40;
    private static final int BATCHES = 5;
    private static final int BATCH_RUNS = 20;

    /** Both sides round to BF16, some on the way and all at the end, each time by at most 2^-8. */
    private static final double BF16_LIMIT = 1.0 / 128;
    /** Twice what it takes to round rows and weights, of normally distributed numbers, to 127 steps. */
    private static final double INT8_LIMIT = 0.03;
    /** Twice what it takes to round rows and weights to three bits behind the point. */
    private static final double FP8_LIMIT = 0.08;
    /** Probabilities rounded to BF16, among thousands that are added up, and the result once more. */
    private static final double ATTENTION_LIMIT = 0.01;
    /** One query of so many is computed in FP32, too: all would need memory for all scores. */
    private static final int CHECKED = 32;

    private static final String FLASH_3 = "_flash_3";
    private static final String FLASH_3_PROPERTY = "zimage.flash3.path";

    private final ComputeDevice device;
    private final Checkpoint checkpoint;
    private final Consumer<Map<String, Object>> report;

    /**
     * Computes nothing yet.
     *
     * @param device the device, which has been {@linkplain ComputeDevice#enter entered}
     * @param checkpoint the model whose shapes and weights are used
     * @param report gets a line for each figure, with {@code error} where results are too far apart and {@code skipped} for what the
     *     device cannot do
     */
    KernelCheck(ComputeDevice device, Checkpoint checkpoint, Consumer<Map<String, Object>> report) {
        this.device = device;
        this.checkpoint = checkpoint;
        this.report = report;
        torch.manual_seed(1);
    }

    /** What is run on both sides, on a stream that it may change. */
    private interface Operation {
        List<Tensor> run(Kernels kernels, Layers layers, Tensor stream);
    }

    /** The layers of a block. */
    private record Layers(JointProjection qkv, Projection out, JointProjection gateAndUp, Projection down) {
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

    /** Runs all operations of a transformer and a VAE that make pictures of a size, in every precision of the device. */
    void kernels(int size) {
        Attention attention = device.attention(AttentionBackend.MATH, Precision.BF16);
        Kernels aten = new AtenKernels(device.place(), attention, Precision.BF16);
        for (Precision precision : List.of(Precision.BF16, Precision.INT8, Precision.FP8)) {
            if (!Devices.has(device.device(), precision)) {
                continue;
            }
            Kernels own;
            try {
                own = device.kernels(attention, precision);
            } catch (IllegalArgumentException e) {
                skip(line("kernels", "precision", precision), e);
                continue;
            }
            compare(own, aten, size);
        }
    }

    /** Runs the operations of kernels and of a reference. */
    void compare(Kernels own, Kernels aten, int size) {
        int rows = tokens(size);
        try (PointerScope scope = new PointerScope();
                WeightStore ownWeights = open();
                WeightStore atenWeights = open()) {
            Layers ownLayers = Layers.load(own, ownWeights);
            Layers atenLayers = Layers.load(aten, atenWeights);
            Tensor stream = random(rows, checkpoint.transformer().dim());
            transformerOperations(own.precision(), rows)
                    .forEach((name, operation) -> compare(name, own, ownLayers, aten, atenLayers, operation, stream));
            if (own.precision() == Precision.BF16) {
                norms(checkpoint.vae(), size)
                        .forEach((channels, side) -> groupNorms(own, ownLayers, aten, atenLayers, channels, side));
            }
        }
    }

    private WeightStore open() {
        return new WeightStore(checkpoint.weights(Component.TRANSFORMER), device.place(), done -> {});
    }

    private int tokens(int size) {
        int side = size / checkpoint.vae().scale() / 2;
        return side * side + TEXT_TOKENS;
    }

    private Tensor random(long... shape) {
        return torch.randn(shape, device.place().options(ScalarType.Float));
    }

    /** As the weights of norms are: numbers far from 1 would make rows of which few count, which 8 bits are not for. */
    private Tensor aroundOne(long count) {
        return random(count).mul_(new Scalar(0.25)).add_(new Scalar(1));
    }

    private Tensor bf16(long... shape) {
        return Tensors.scoped(() -> random(shape).to(ScalarType.BFloat16));
    }

    private Map<String, Operation> transformerOperations(Precision precision, int rows) {
        int dim = checkpoint.transformer().dim();
        int hidden = checkpoint.transformer().ffnDim();
        int headDim = checkpoint.transformer().headDim();
        Tensor scale = aroundOne(dim);
        Tensor nextScale = aroundOne(dim);
        Rows y = Rows.of(bf16(rows, dim));
        Tensor both = bf16(rows, 2L * hidden);
        Rows gate = Rows.of(both.narrow(1, 0, hidden));
        Rows up = Rows.of(both.narrow(1, hidden, hidden));
        Tensor rotation = torch.view_as_complex(random(rows, 1, headDim / 2, 2));
        Heads.Recipe recipe = new Heads.Recipe(
                checkpoint.transformer().heads(), random(headDim), random(headDim), EPS, rotation, rotation);

        Map<String, Operation> operations = new LinkedHashMap<>();
        if (precision == Precision.BF16) {
            JointProjection same = x -> List.of(x, x, x);
            operations.put("norm", (kernels, layers, x) -> floats(kernels.normScale(x, scale, EPS)));
            operations.put("add norm", (kernels, layers, x) -> {
                kernels.addNormScale(x, y, scale, EPS);
                return List.of(x);
            });
            operations.put("add norm, norm", (kernels, layers, x) -> {
                Rows next = kernels.addNormScaleNorm(x, y, scale, nextScale, EPS);
                return List.of(x, next.values());
            });
            operations.put(
                    "norm, norms and rotations of heads",
                    (kernels, layers, x) -> tensors(kernels.heads(x, scale, EPS, same, recipe)));
            operations.put("swiglu", (kernels, layers, x) -> floats(kernels.swiglu(gate, up)));
            operations.put(
                    "norm, q, k, v, norms and rotations of heads",
                    (kernels, layers, x) -> tensors(kernels.heads(x, scale, EPS, layers.qkv(), recipe)));
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
        return operations;
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

    /** Returns the side of the largest picture that is normed with so many channels, by their number. */
    private static Map<Integer, Integer> norms(VaeConfig vae, int size) {
        Map<Integer, Integer> sides = new TreeMap<>();
        List<Integer> channels = vae.blockOutChannels();
        for (int level = channels.size() - 1; level >= 0; level--) {
            // A level's first norm has the channels of the coarser one.
            sides.put(channels.get(Math.min(level + 1, channels.size() - 1)), size >> level);
            sides.put(channels.get(level), size >> level);
        }
        return sides;
    }

    private void groupNorms(Kernels own, Layers ownLayers, Kernels aten, Layers atenLayers, int channels, int side) {
        try (PointerScope scope = new PointerScope()) {
            int groups = checkpoint.vae().normNumGroups();
            Tensor x = bf16(1, channels, side, side).contiguous(MemoryFormat.ChannelsLast);
            Tensor weight = bf16(channels);
            Tensor bias = bf16(channels);
            String shape = "%d channels of %d x %d".formatted(channels, side, side);
            compare(
                    "group norm, " + shape,
                    own,
                    ownLayers,
                    aten,
                    atenLayers,
                    (kernels, layers, picture) -> List.of(kernels.groupNorm(picture, weight, bias, groups, EPS)),
                    x);
            compare(
                    "group norm, SiLU, " + shape,
                    own,
                    ownLayers,
                    aten,
                    atenLayers,
                    (kernels, layers, picture) -> List.of(kernels.groupNormSilu(picture, weight, bias, groups, EPS)),
                    x);
        }
    }

    private void compare(
            String name,
            Kernels own,
            Layers ownLayers,
            Kernels aten,
            Layers atenLayers,
            Operation operation,
            Tensor stream) {
        Map<String, Object> line = line("kernels", "precision", own.precision());
        line.put("operation", name);
        line.put("rows", stream.dim() == 2 ? stream.size(0) : stream.size(2) * stream.size(3));
        guarded(line, () -> {
            List<Tensor> actual = operation.run(own, ownLayers, stream.clone());
            List<Tensor> expected = operation.run(aten, atenLayers, stream.clone());
            double error = 0;
            for (int i = 0; i < actual.size(); i++) {
                error = Math.max(error, relativeError(actual.get(i), expected.get(i)));
            }
            judge(line, error, limit(own.precision()));
            Tensor scratch = stream.clone();
            line.put("ms", milliseconds(() -> operation.run(own, ownLayers, scratch)));
            line.put("aten_ms", milliseconds(() -> operation.run(aten, atenLayers, scratch)));
        });
    }

    private static double limit(Precision precision) {
        return switch (precision) {
            case INT8 -> INT8_LIMIT;
            case FP8 -> FP8_LIMIT;
            default -> BF16_LIMIT;
        };
    }

    /** Runs every attention backend over the tokens of pictures of these sizes; the one with memory for all scores, of the smallest. */
    void attention(List<Integer> sizes) {
        int smallest = sizes.stream().min(Integer::compare).orElseThrow();
        for (int size : sizes) {
            try (PointerScope scope = new PointerScope()) {
                int rows = tokens(size);
                Tensor query = heads(rows)
                        .div(new Scalar(Math.sqrt(checkpoint.transformer().headDim())));
                Tensor key = heads(rows);
                Tensor value = heads(rows);
                Tensor expected = inFloats(query, key, value);
                for (String name : Devices.attentionNames(device.device())) {
                    if (!name.equals(FLASH_3) || System.getProperty(FLASH_3_PROPERTY) != null) {
                        if (!name.equals(AttentionBackend.MATH.name()) || size == smallest) {
                            attention(name, query, key, value, expected);
                        }
                    }
                }
            }
        }
    }

    /** Returns [H, S, D] bf16, which lie in memory row by row. */
    private Tensor heads(int rows) {
        return bf16(
                        rows,
                        checkpoint.transformer().heads(),
                        checkpoint.transformer().headDim())
                .transpose(0, 1);
    }

    private static Tensor checked(Tensor query) {
        return query.slice(1, new LongOptional(0), new LongOptional(query.size(1)), CHECKED);
    }

    private static Tensor inFloats(Tensor query, Tensor key, Tensor value) {
        return Tensors.scoped(() -> torch.softmax(
                        checked(query)
                                .to(ScalarType.Float)
                                .matmul(key.to(ScalarType.Float).transpose(1, 2)),
                        -1)
                .matmul(value.to(ScalarType.Float)));
    }

    private void attention(String name, Tensor query, Tensor key, Tensor value, Tensor expected) {
        long rows = query.size(1);
        Map<String, Object> line = line("attention", "attention", name);
        line.put("rows", rows);
        Attention attention;
        try {
            attention = device.attention(new AttentionBackend(name), Precision.BF16);
        } catch (IllegalArgumentException e) {
            if (name.equals(FLASH_3)) {
                line.put("error", String.valueOf(e.getMessage()));
                report.accept(line);
            } else {
                skip(line, e);
            }
            return;
        }
        guarded(line, () -> {
            judge(line, relativeError(checked(attention.attend(query, key, value, false)), expected), ATTENTION_LIMIT);
            double milliseconds = milliseconds(() -> attention.attend(query, key, value, false));
            line.put("ms", milliseconds);
            line.put("tflops", round(4.0 * rows * rows * query.size(0) * query.size(2) / milliseconds / 1e9));
        });
    }

    private static Map<String, Object> line(String part, String key, Object value) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", part);
        line.put(key, value.toString());
        return line;
    }

    private void skip(Map<String, Object> line, IllegalArgumentException why) {
        line.put("skipped", String.valueOf(why.getMessage()));
        report.accept(line);
    }

    /** Runs something that fills a line, frees its tensors, and reports the line, whatever happens. */
    private void guarded(Map<String, Object> line, Runnable work) {
        try (PointerScope scope = new PointerScope()) {
            work.run();
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        report.accept(line);
    }

    private static void judge(Map<String, Object> line, double error, double limit) {
        line.put("relative_error", round(error));
        if (!(error <= limit)) {
            line.put("error", "the relative error %.3g is more than %.3g".formatted(error, limit));
        }
    }

    private static double relativeError(Tensor actual, Tensor expected) {
        try (PointerScope scope = new PointerScope()) {
            if (!Arrays.equals(
                    actual.sizes().vec().get(), expected.sizes().vec().get())) {
                throw new IllegalStateException("the shape is %s, not %s".formatted(shape(actual), shape(expected)));
            }
            Tensor exact = expected.to(ScalarType.Float);
            Tensor difference = actual.to(ScalarType.Float).sub(exact);
            return difference.norm().item_double() / exact.norm().item_double();
        }
    }

    private static String shape(Tensor tensor) {
        return Arrays.toString(tensor.sizes().vec().get());
    }

    /** Returns the median of some batches, in which one run after the other is ordered and the device waited for at the end. */
    private double milliseconds(Runnable operation) {
        List<Double> each = new ArrayList<>();
        batch(operation, WARM_UPS);
        for (int batch = 0; batch < BATCHES; batch++) {
            each.add(batch(operation, BATCH_RUNS));
        }
        return round(each.stream().sorted().skip(BATCHES / 2).findFirst().orElseThrow());
    }

    private double batch(Runnable operation, int runs) {
        long start = System.nanoTime();
        for (int run = 0; run < runs; run++) {
            try (PointerScope scope = new PointerScope()) {
                operation.run();
            }
        }
        device.synchronize();
        return (System.nanoTime() - start) / 1e6 / runs;
    }

    private static double round(double value) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.4g", value));
    }
}
