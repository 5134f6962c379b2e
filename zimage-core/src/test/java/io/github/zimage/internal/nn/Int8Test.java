package io.github.zimage.internal.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.Precision;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Holds linear layers of 8-bit integers against FP64, and the integers inside against exact sums. */
final class Int8Test {
    private static final CpuKernels INT8 = new CpuKernels(BlockwiseAttention.INSTANCE, Precision.INT8);

    private final Random random = new Random(20261123);
    private PointerScope scope;

    @BeforeEach
    void open() {
        NativeRuntime.load();
        assumeTrue(Int8Probe.problem() == null, "this processor has no instructions for it");
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        if (scope != null) {
            scope.close();
        }
    }

    // Below 2^24 every integer is an FP32 number, so a wrong zero point, a saturated sum or a mixed-up block cannot
    // hide in rounding.
    @ParameterizedTest
    @CsvSource({"1, 1, 1", "3, 17, 5", "64, 256, 128", "33, 1001, 67", "257, 96, 3"})
    void products_areExact(int rows, int in, int out) {
        byte[] x = new byte[rows * in];
        byte[] weight = new byte[out * in];
        random.nextBytes(x);
        random.nextBytes(weight);
        for (int i = 0; i < Math.min(x.length, in); i++) {
            x[i] = (byte) 255;
        }
        for (int i = 0; i < weight.length; i++) {
            weight[i] = weight[i] == -128 ? -127 : i < in ? 127 : weight[i];
        }
        Tensor result = Int8Product.transposed(
                bytes(ScalarType.Byte, x, rows, in),
                Int8Product.pack(bytes(ScalarType.Char, weight, out, in)),
                torch.ones(out),
                torch.zeros(new long[] {out}, new TensorOptions(ScalarType.Int)),
                ScalarType.Float);
        Tensor unpacked = Int8Product.transposed(
                bytes(ScalarType.Byte, x, rows, in),
                Int8Product.unpacked(bytes(ScalarType.Char, weight, out, in)),
                torch.ones(out),
                torch.zeros(new long[] {out}, new TensorOptions(ScalarType.Int)),
                ScalarType.Float);
        float[] values = Tensors.toFloats(result);
        assertThat(Tensors.toFloats(unpacked)).as("with the matrix as it is").isEqualTo(values);
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < out; column++) {
                long sum = 0;
                for (int k = 0; k < in; k++) {
                    sum += (Byte.toUnsignedInt(x[row * in + k]) - 128L) * weight[column * in + k];
                }
                assertThat((double) values[row * out + column])
                        .as("row %d, column %d", row, column)
                        .isEqualTo((double) sum);
            }
        }
    }

    // Rounding moves a number by half of a 127th of the largest of its row at most, whatever the row's size.
    @Test
    void roundedRows_areWithinHalfAStep() {
        double[] sizes = {1, 1e-20, 3e38, 0, 1e-3};
        int in = 301;
        float[] x = new float[sizes.length * in];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) (random.nextDouble(-1, 1) * sizes[i / in]);
        }
        Rows rows = INT8.rows(Tensors.of(x, sizes.length, in));
        assertThat(Tensors.isOf(rows.values(), ScalarType.Byte)).isTrue();
        float[] scale = Tensors.toFloats(Objects.requireNonNull(rows.scale()));
        float[] values = Tensors.toFloats(rows.values());
        for (int row = 0; row < sizes.length; row++) {
            double largest = 0;
            for (int i = 0; i < in; i++) {
                largest = Math.max(largest, Math.abs(x[row * in + i]));
            }
            for (int i = 0; i < in; i++) {
                double back = (values[row * in + i] - 128.0) * scale[row];
                assertThat(back).as("row %d", row).isCloseTo(x[row * in + i], within(largest / 127 * 0.50001));
            }
        }
    }

    // What is not a number must stay visible, not become a plausible picture; and it must not leak into other rows.
    @ParameterizedTest
    @CsvSource({"NaN", "Infinity", "-Infinity"})
    void rowWithANumberThatIsNotFinite_givesNone(float bad) {
        float[] x = normal(3 * 40);
        x[40 + 7] = bad;
        float[] weight = normal(11 * 40);
        float[] result = Tensors.toFloats(
                layer(weight, 11, 40).forward(INT8.rows(Tensors.of(x, 3, 40))).floats());
        for (int i = 0; i < result.length; i++) {
            assertThat(Float.isFinite(result[i])).as("number %d", i).isEqualTo(i / 11 != 1);
        }
    }

    // Two roundings of random numbers to 8 bits leave about 1 % of the typical result; one wrong scale leaves 100 %.
    @ParameterizedTest
    @CsvSource({"1, 8, 8, 1", "65, 96, 33, 1", "200, 301, 127, 1000", "64, 512, 512, 1e-6"})
    void layer_isNearTheTruth(int rows, int in, int out, double size) {
        float[] x = normal(rows * in);
        for (int i = 0; i < x.length; i++) {
            x[i] *= (float) (size * (1 + i / in)); // each row of another size
        }
        float[] weight = normal(out * in);
        float[] result = Tensors.toFloats(layer(weight, out, in)
                .forward(INT8.rows(Tensors.of(x, rows, in)))
                .floats());
        double error = 0;
        double total = 0;
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < out; column++) {
                double sum = 0;
                for (int k = 0; k < in; k++) {
                    sum += (double) x[row * in + k] * weight[column * in + k];
                }
                double relative = 1 / (size * (1 + row));
                error += Math.pow((result[row * out + column] - sum) * relative, 2);
                total += Math.pow(sum * relative, 2);
            }
        }
        assertThat(Math.sqrt(error / total)).isLessThan(0.02);
    }

    // The product of silu and gate has a few numbers far larger than the rest: without the rotation, or with another
    // one for the weight
    // than for the rows, the error is three times this limit or total.
    @ParameterizedTest
    @CsvSource({"10, 7", "70, 256", "3, 1024", "65, 1280"})
    void downProjection_takesOutliers(int rows, int hidden) {
        int out = 33;
        float[] gate = normal(rows * hidden);
        float[] up = normal(rows * hidden);
        for (int row = 0; row < rows; row++) {
            up[row * hidden + hidden / 2] *= 30;
        }
        float[] weight = normal(out * hidden);
        Rows product = INT8.swiglu(Rows.of(Tensors.of(gate, rows, hidden)), Rows.of(Tensors.of(up, rows, hidden)));
        float[] result = Tensors.toFloats(
                layer(weight, out, hidden, true).forward(product).floats());
        double error = 0;
        double total = 0;
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < out; column++) {
                double sum = 0;
                for (int k = 0; k < hidden; k++) {
                    double g = gate[row * hidden + k];
                    sum += g / (1 + Math.exp(-g)) * up[row * hidden + k] * weight[column * hidden + k];
                }
                error += Math.pow(result[row * out + column] - sum, 2);
                total += Math.pow(sum, 2);
            }
        }
        assertThat(Math.sqrt(error / total)).isLessThan(0.02);
    }

    private static Int8Linear layer(float[] weight, int out, int in) {
        return layer(weight, out, in, false);
    }

    private static Int8Linear layer(float[] weight, int out, int in, boolean turned) {
        ByteBuffer rows = ByteBuffer.allocate(weight.length * Float.BYTES).order(ByteOrder.nativeOrder());
        rows.asFloatBuffer().put(weight);
        ByteBuffer values = ByteBuffer.allocate(weight.length);
        ByteBuffer scales = ByteBuffer.allocate(out * Float.BYTES).order(ByteOrder.nativeOrder());
        new RowRounding(in, turned).round(rows, StorageType.F32, values, scales);
        float[] scale = new float[out];
        scales.flip().asFloatBuffer().get(scale);
        return new Int8Linear(
                Int8Product.pack(bytes(ScalarType.Char, values.array(), out, in)),
                Tensors.of(scale, out),
                torch.zeros(new long[] {out}, new TensorOptions(ScalarType.Int)),
                null);
    }

    private static Tensor bytes(ScalarType type, byte[] values, long... shape) {
        Tensor tensor = Tensors.empty(type, shape);
        new BytePointer(tensor.data_ptr()).put(values);
        return tensor;
    }

    private float[] normal(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
