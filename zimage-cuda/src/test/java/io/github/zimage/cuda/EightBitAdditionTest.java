package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Precision;
import io.github.zimage.internal.nn.Addition;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects what adapters add to layers of 8-bit integers, whose input is rounded and, before the feed-forward's last layer, turned. */
final class EightBitAdditionTest {
    private static final int ROWS = 20;
    private static final int IN = 64;
    private static final int OUT = 32;

    @TempDir
    Path folder;

    private TensorEntry entry(String name, Tensor tensor) throws IOException {
        float[] values = Tensors.toFloats(tensor);
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        Path file = Files.write(folder.resolve(name), bytes.array());
        List<Long> shape = List.of(tensor.size(0), tensor.size(1));
        return new TensorEntry(name, StorageType.F32, shape, file, 0, bytes.capacity());
    }

    @Test
    void lowRankFactors_areMultipliedByWhatTheRowsWere() throws IOException {
        NativeRuntime.load();
        try (PointerScope scope = new PointerScope()) {
            torch.manual_seed(3);
            Kernels kernels =
                    new CudaKernels(TensorPlace.CPU, CudaAttention.MATH, Precision.INT8, new InterpretedKernels());
            Tensor weight = torch.randn(OUT, IN);
            Tensor down = torch.randn(4, IN);
            Tensor up = torch.randn(OUT, 4).mul_(new Scalar(0.5));
            Map<String, TensorEntry> base = new LinkedHashMap<>(Map.of("a.weight", entry("a.weight", weight)));
            Map<String, TensorEntry> added = new LinkedHashMap<>();
            added.put(LowRank.down("a.weight"), entry(LowRank.down("a.weight"), down));
            added.put(LowRank.up("a.weight"), entry(LowRank.up("a.weight"), up));
            try (WeightStore weights = new WeightStore(WeightIndex.of("base", base), done -> {});
                    WeightStore adapters = new WeightStore(WeightIndex.of("LoRA", added), done -> {})) {
                Tensor x = torch.randn(ROWS, IN).to(ScalarType.BFloat16);
                Rows rows = kernels.rows(x);
                Addition addition = kernels.addition(adapters, "a");
                requireAdded(
                        kernels.projection(weights, "a", false).forward(rows).floats(),
                        kernels.projection(weights, "a", false)
                                .with(addition)
                                .forward(rows)
                                .floats(),
                        x,
                        down,
                        up);
                List<Rows> joint = kernels.jointProjection(weights, List.of("a", "a"), false)
                        .with(kernels.addition(adapters, "b", "a"))
                        .forward(rows);
                requireAdded(joint.get(0).floats(), joint.get(1).floats(), x, down, up);

                Tensor gate = torch.randn(ROWS, IN).to(ScalarType.BFloat16);
                Tensor product = torch.silu(gate).mul(x);
                Rows turned = kernels.swiglu(Rows.of(gate), Rows.of(x));
                requireAdded(
                        kernels.downProjection(weights, "a").forward(turned).floats(),
                        kernels.downProjection(weights, "a")
                                .with(kernels.downAddition(adapters, "a"))
                                .forward(turned)
                                .floats(),
                        product,
                        down,
                        up);
            }
        }
    }

    // Rows are rounded to 8 bits, and results, of which what is added is a third, to BF16 twice.
    private static void requireAdded(Tensor without, Tensor with, Tensor x, Tensor down, Tensor up) {
        Tensor expected = x.to(ScalarType.Float).matmul(down.t()).matmul(up.t());
        double error = with.sub(without).sub(expected).norm().item_double()
                / expected.norm().item_double();
        assertThat(error).isLessThan(0.03);
    }
}
