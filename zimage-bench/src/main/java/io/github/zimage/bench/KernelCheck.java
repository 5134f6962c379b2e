package io.github.zimage.bench;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.bench.BlockOperations.Layers;
import io.github.zimage.bench.BlockOperations.Operation;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.nn.AtenKernels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;

/**
 * Runs a device's kernels and LibTorch's operators on the same random numbers: how far apart the results are, and how long each takes.
 * Shapes and weights are a model's. Belongs to the thread that the device is in use by, and to one JavaCPP scope, which holds the numbers.
 */
final class KernelCheck {
    static final String PART = "kernels";

    /** Of a prompt of some sentences, beside which there are the tokens of the picture. */
    private static final int TEXT_TOKENS = 64;

    /** Both sides round to BF16, some on the way and all at the end, each time by at most 2^-8. */
    private static final double BF16_LIMIT = 1.0 / 128;
    /** Twice what it takes to round rows and weights, of normally distributed numbers, to 127 steps. */
    private static final double INT8_LIMIT = 0.03;
    /** Twice what it takes to round rows and weights to three bits behind the point. */
    private static final double FP8_LIMIT = 0.08;

    private final ComputeDevice device;
    private final Checkpoint checkpoint;
    private final RandomTensors random;
    private final DeviceTrial trial;

    /** Kernels and the layers that they prepared. */
    private record Side(Kernels kernels, Layers layers) {
        List<Tensor> run(Operation operation, Tensor stream) {
            return operation.run(kernels, layers, stream);
        }
    }

    /** Computes nothing yet; see {@link DeviceTrial}. */
    KernelCheck(ComputeDevice device, Checkpoint checkpoint, Consumer<Map<String, Object>> report) {
        this.device = device;
        this.checkpoint = checkpoint;
        this.random = new RandomTensors(device.place());
        this.trial = new DeviceTrial(device, report);
    }

    /** Runs all operations of a transformer and a VAE that make pictures of a size, in every precision of the device. */
    void checkAll(int size) {
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
                trial.skip(Findings.line(PART, "precision", precision.name()), e);
                continue;
            }
            compare(own, aten, size);
        }
    }

    /** Runs the operations of kernels and of a reference. */
    void compare(Kernels own, Kernels aten, int size) {
        int rows = tokens(checkpoint, size);
        try (PointerScope scope = new PointerScope();
                WeightStore ownWeights = open();
                WeightStore atenWeights = open()) {
            Side mine = new Side(own, Layers.load(own, ownWeights));
            Side reference = new Side(aten, Layers.load(aten, atenWeights));
            Tensor stream = random.floats(rows, checkpoint.transformer().dim());
            BlockOperations.of(checkpoint.transformer(), random, own.precision(), rows)
                    .forEach((name, operation) -> compare(name, mine, reference, operation, stream));
            if (own.precision() == Precision.BF16) {
                norms(checkpoint.vae(), size)
                        .forEach((channels, side) -> compareGroupNorms(mine, reference, channels, side));
            }
        }
    }

    private WeightStore open() {
        return new WeightStore(checkpoint.weights(Component.TRANSFORMER), device.place(), done -> {});
    }

    /** Returns how many tokens the transformer sees for a picture of a size. */
    static int tokens(Checkpoint checkpoint, int size) {
        int side = size / checkpoint.vae().scale() / 2;
        return side * side + TEXT_TOKENS;
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

    private void compareGroupNorms(Side own, Side aten, int channels, int side) {
        try (PointerScope scope = new PointerScope()) {
            int groups = checkpoint.vae().normNumGroups();
            Tensor x = random.bf16(1, channels, side, side).contiguous(MemoryFormat.ChannelsLast);
            Tensor weight = random.bf16(channels);
            Tensor bias = random.bf16(channels);
            double eps = BlockOperations.EPS;
            String shape = "%d channels of %d x %d".formatted(channels, side, side);
            compare(
                    "group norm, " + shape,
                    own,
                    aten,
                    (kernels, layers, picture) -> List.of(kernels.groupNorm(picture, weight, bias, groups, eps)),
                    x);
            compare(
                    "group norm, SiLU, " + shape,
                    own,
                    aten,
                    (kernels, layers, picture) -> List.of(kernels.groupNormSilu(picture, weight, bias, groups, eps)),
                    x);
        }
    }

    private void compare(String name, Side own, Side aten, Operation operation, Tensor stream) {
        Precision precision = own.kernels().precision();
        Map<String, Object> line = Findings.line(PART, "precision", precision.name());
        line.put("operation", name);
        line.put("rows", stream.dim() == 2 ? stream.size(0) : stream.size(2) * stream.size(3));
        trial.run(line, () -> {
            List<Tensor> actual = own.run(operation, stream.clone());
            List<Tensor> expected = aten.run(operation, stream.clone());
            double error = 0;
            for (int i = 0; i < actual.size(); i++) {
                error = Math.max(error, DeviceTrial.relativeError(actual.get(i), expected.get(i)));
            }
            DeviceTrial.judge(line, error, limit(precision));
            Tensor scratch = stream.clone();
            line.put("ms", trial.milliseconds(() -> own.run(operation, scratch)));
            line.put("aten_ms", trial.milliseconds(() -> aten.run(operation, scratch)));
        });
    }

    private static double limit(Precision precision) {
        return switch (precision) {
            case INT8 -> INT8_LIMIT;
            case FP8 -> FP8_LIMIT;
            default -> BF16_LIMIT;
        };
    }
}
