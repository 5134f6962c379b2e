package io.github.zimage.internal.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.system.SystemFiles;
import io.github.zimage.internal.weights.WeightFiles;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Protects the choice between ways to multiply, and that all of them multiply. */
final class LinearSelectorTest {
    @TempDir
    Path folder;

    // The first of the map is the one that is taken unless another is clearly faster.
    @Test
    void choose_takesAnotherMethodOnlyIfItIsClearlyFaster() {
        assertThat(chosen(1.0, 0.96, 0.91, true)).isEqualTo(LinearMethod.ATEN);
        assertThat(chosen(1.0, 0.94, 0.91, true)).isEqualTo(LinearMethod.ONEDNN);
        assertThat(chosen(1.0, 1.5, 0.89, true)).isEqualTo(LinearMethod.PACKED);
        assertThat(chosen(1.0, 1.5, 0.1, false)).isEqualTo(LinearMethod.ATEN);
        assertThat(chosen(1.0, 0.5, 0.4, true)).isEqualTo(LinearMethod.PACKED);
        assertThat(LinearSelector.choose(Map.of(LinearMethod.ATEN, 1.0), true)).isEqualTo(LinearMethod.ATEN);
    }

    private static LinearMethod chosen(double aten, double oneDnn, double packed, boolean mayPack) {
        Map<LinearMethod, Double> seconds = new LinkedHashMap<>();
        seconds.put(LinearMethod.ATEN, aten);
        seconds.put(LinearMethod.ONEDNN, oneDnn);
        seconds.put(LinearMethod.PACKED, packed);
        return LinearSelector.choose(seconds, mayPack);
    }

    @Test
    void shapes_areTakenForTheOneMostLikeThem() {
        assertThat(LinearSelector.Shape.like(2560, 4096)).isEqualTo(LinearSelector.Shape.EVEN);
        assertThat(LinearSelector.Shape.like(2560, 1024)).isEqualTo(LinearSelector.Shape.NARROWING);
        assertThat(LinearSelector.Shape.like(2560, 9728)).isEqualTo(LinearSelector.Shape.WIDENING);
        assertThat(LinearSelector.Shape.like(9728, 2560)).isEqualTo(LinearSelector.Shape.NARROWING);
    }

    // Row counts that are no multiple of any block, and rows that are not dense.
    @ParameterizedTest
    @EnumSource
    void method_isTheFormula(LinearMethod method) {
        NativeRuntime.load();
        for (ScalarType type : List.of(ScalarType.Float, ScalarType.BFloat16)) {
            assumeTrue(LinearMethod.available(type).contains(method), "this processor has no such product");
            try (PointerScope scope = new PointerScope()) {
                Tensor x = torch.randn(70, 37).t().to(type); // [37, 70]
                Tensor weight = torch.randn(51, 70).to(type);
                Tensor bias = torch.randn(51).to(type);
                Tensor exact = torch.matmul(
                        x.to(ScalarType.Double), weight.to(ScalarType.Double).t());
                Tensor product = method.transposed(x, method.packed(weight), null);
                assertThat(product.sizes().vec().get()).containsExactly(37, 51);
                assertThat(Tensors.isOf(product, type)).isTrue();
                // A rounding of the result, and in FP32 those of 70 terms.
                double limit = type == ScalarType.Float ? 1e-6 : 1.0 / 256;
                assertThat(distance(product, exact)).isLessThan(limit);
                assertThat(distance(
                                method.transposed(x, method.packed(weight), bias),
                                exact.add(bias.to(ScalarType.Double))))
                        .isLessThan(limit);
            }
        }
    }

    // What is packed must be the weight that is stored, and belong to the store; a store that may not pack maps it.
    @ParameterizedTest
    @EnumSource(
            value = StorageType.class,
            names = {"F32", "BF16"})
    void layer_ofAStoreThatMayPack_isPackedWhereThatIsChosen(StorageType stored) throws IOException {
        NativeRuntime.load();
        ScalarType type = ScalarType.BFloat16;
        assumeTrue(LinearMethod.available(type).contains(LinearMethod.PACKED), "this processor has no such product");
        ThisProcessor.choices()
                .put(
                        Map.of(
                                LinearSelector.question(type, LinearSelector.Shape.EVEN, true), "packed",
                                LinearSelector.question(type, LinearSelector.Shape.EVEN, false), "aten"),
                        ProcessorWatch.start(new SystemFiles(folder.resolve("none")), 1));
        WeightIndex index = write(stored, 1040, 1024);
        try (PointerScope scope = new PointerScope();
                WeightStore packing = new WeightStore(index, done -> {}).packed(true);
                WeightStore mapping = new WeightStore(index, done -> {})) {
            Rows x = Rows.of(torch.randn(9, 1024).to(type));
            Tensor packed =
                    CpuLinear.load(packing, "layer", false, type).forward(x).values();
            Tensor plain =
                    CpuLinear.load(mapping, "layer", false, type).forward(x).values();
            assertThat(packing.mapped()).isEmpty();
            assertThat(mapping.mapped()).hasSize(stored == StorageType.BF16 ? 1 : 0);
            assertThat(packing.convertedBytes()).isEqualTo(mapping.convertedBytes());
            // Sums in another order, rounded to 8 bits.
            assertThat(distance(packed, plain.to(ScalarType.Double))).isLessThan(1.0 / 256);
        }
    }

    private WeightIndex write(StorageType type, int out, int in) throws IOException {
        try (PointerScope scope = new PointerScope();
                SafetensorsWriter writer = new SafetensorsWriter(
                        folder.resolve("a.safetensors"),
                        List.of(new SafetensorsWriter.Tensor("layer.weight", type, List.of((long) out, (long) in))),
                        Map.of())) {
            float[] numbers = Tensors.toFloats(torch.randn(out, in).to(ScalarType.BFloat16));
            ByteBuffer bytes =
                    ByteBuffer.allocate(numbers.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            for (float number : numbers) {
                int bits = Float.floatToRawIntBits(number);
                if (type == StorageType.F32) {
                    bytes.putInt(bits);
                } else {
                    bytes.putShort((short) (bits >>> 16));
                }
            }
            writer.write(bytes.flip());
            writer.commit();
        }
        return WeightFiles.open(folder, "a", null);
    }

    private static double distance(Tensor actual, Tensor exact) {
        try (PointerScope scope = new PointerScope()) {
            Tensor difference = actual.to(ScalarType.Double).sub(exact);
            return difference.norm().item_double() / exact.norm().item_double();
        }
    }
}
