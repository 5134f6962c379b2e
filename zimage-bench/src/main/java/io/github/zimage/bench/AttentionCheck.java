package io.github.zimage.bench;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.spi.Attention;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Runs a device's attention backends and attention in FP32 on the same random numbers, in a model's shapes: how far apart the results are,
 * and how long each takes. Belongs to the thread that the device is in use by.
 */
final class AttentionCheck {
    static final String PART = "attention";

    /** Probabilities rounded to BF16, among thousands that are added up, and the result once more. */
    private static final double LIMIT = 0.01;
    /** One query of so many is computed in FP32, too: all would need memory for all scores. */
    private static final int CHECKED = 32;

    private static final String FLASH_3 = "_flash_3";
    private static final String FLASH_3_PROPERTY = "zimage.flash3.path";

    private final ComputeDevice device;
    private final Checkpoint checkpoint;
    private final RandomTensors random;
    private final DeviceTrial trial;

    /** Computes nothing yet; see {@link DeviceTrial}. */
    AttentionCheck(ComputeDevice device, Checkpoint checkpoint, Consumer<Map<String, Object>> report) {
        this.device = device;
        this.checkpoint = checkpoint;
        this.random = new RandomTensors(device.place());
        this.trial = new DeviceTrial(device, report);
    }

    /** Runs every backend over the tokens of pictures of these sizes; the one with memory for all scores, of the smallest. */
    void checkAll(List<Integer> sizes) {
        int smallest = sizes.stream().min(Integer::compare).orElseThrow();
        sizes.forEach(size -> check(size, size == smallest));
    }

    private void check(int size, boolean withMath) {
        try (PointerScope scope = new PointerScope()) {
            int rows = KernelCheck.tokens(checkpoint, size);
            Tensor query = heads(rows)
                    .div(new Scalar(Math.sqrt(checkpoint.transformer().headDim())));
            Tensor key = heads(rows);
            Tensor value = heads(rows);
            Tensor expected = inFloats(query, key, value);
            for (String name : Devices.attentionNames(device.device())) {
                boolean built = !name.equals(FLASH_3) || System.getProperty(FLASH_3_PROPERTY) != null;
                if (built && (withMath || !name.equals(AttentionBackend.MATH.name()))) {
                    check(name, query, key, value, expected);
                }
            }
        }
    }

    private void check(String name, Tensor query, Tensor key, Tensor value, Tensor expected) {
        long rows = query.size(1);
        Map<String, Object> line = Findings.line(PART, "attention", name);
        line.put("rows", rows);
        Attention attention;
        try {
            attention = device.attention(new AttentionBackend(name), Precision.BF16);
        } catch (IllegalArgumentException e) {
            if (name.equals(FLASH_3)) {
                trial.fail(line, e);
            } else {
                trial.skip(line, e);
            }
            return;
        }
        trial.run(line, () -> {
            Tensor attended = someQueries(attention.attend(query, key, value, false));
            DeviceTrial.judge(line, DeviceTrial.relativeError(attended, expected), LIMIT);
            double milliseconds = trial.milliseconds(() -> attention.attend(query, key, value, false));
            line.put("ms", milliseconds);
            double operations = 4.0 * rows * rows * query.size(0) * query.size(2);
            line.put("tflops", Findings.round(operations / milliseconds / 1e9));
        });
    }

    /** Returns [H, S, D] bf16, which lie in memory row by row. */
    private Tensor heads(int rows) {
        return random.bf16(
                        rows,
                        checkpoint.transformer().heads(),
                        checkpoint.transformer().headDim())
                .transpose(0, 1);
    }

    /** Returns those of [H, S, D] that are computed in FP32, too. */
    private static Tensor someQueries(Tensor query) {
        return query.slice(1, new LongOptional(0), new LongOptional(query.size(1)), CHECKED);
    }

    private static Tensor inFloats(Tensor query, Tensor key, Tensor value) {
        return Tensors.scoped(() -> torch.softmax(
                        someQueries(query)
                                .to(ScalarType.Float)
                                .matmul(key.to(ScalarType.Float).transpose(1, 2)),
                        -1)
                .matmul(value.to(ScalarType.Float)));
    }
}
