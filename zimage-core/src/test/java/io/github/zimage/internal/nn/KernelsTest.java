package io.github.zimage.internal.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Holds the kernels against their formulas, written out in FP64. */
final class KernelsTest {
    private static final CpuKernels FP32 = new CpuKernels(BlockwiseAttention.INSTANCE, Precision.FP32);
    private static final CpuKernels BF16 = new CpuKernels(BlockwiseAttention.INSTANCE, Precision.BF16);

    /** FP32 rounds to 6e-8 of a number; sums of a hundred terms and a square root add some. */
    private static final double FP32_ERROR = 1e-6;

    /** BF16 rounds a result to 1 in 256; inputs are BF16 numbers already where this is used. */
    private static final double BF16_ERROR = 1.0 / 256;

    private final Random random = new Random(20261123);
    private PointerScope scope;

    @BeforeEach
    void open() {
        NativeRuntime.load();
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    // The mean of squares matters most where it is small: eps must be inside the root.
    @ParameterizedTest
    @ValueSource(doubles = {1, 1e-3, 100})
    void normScale_isTheFormula(double size) {
        float[] x = normal(5 * 96, size);
        float[] scale = normal(96, 1);
        double[] expected = rmsNorm(x, scale, 1e-5);
        Tensor input = Tensors.of(x, 5, 96);
        assertClose(FP32.normScale(input, Tensors.of(scale, 96), 1e-5).values(), expected, FP32_ERROR);
        Tensor low = BF16.normScale(input, Tensors.of(scale, 96), 1e-5).values();
        assertThat(Tensors.isOf(low, ScalarType.BFloat16)).isTrue();
        assertClose(low, expected, BF16_ERROR);
    }

    @Test
    void addNormScale_addsInPlace() {
        float[] x = normal(3 * 40, 1);
        float[] y = bf16(normal(3 * 40, 2));
        float[] scale = normal(40, 1);
        double[] expected = rmsNorm(y, scale, 1e-6);
        for (int i = 0; i < expected.length; i++) {
            expected[i] += x[i];
        }
        Tensor stream = Tensors.of(x, 3, 40);
        Rows rows = Rows.of(Tensors.of(y, 3, 40).to(ScalarType.BFloat16));
        BF16.addNormScale(stream, rows, Tensors.of(scale, 40), 1e-6);
        assertThat(Tensors.isOf(stream, ScalarType.Float))
                .as("the stream stays FP32")
                .isTrue();
        assertClose(stream, expected, FP32_ERROR);
    }

    // 64 rows are computed at a time: the seams must not show.
    @ParameterizedTest
    @ValueSource(ints = {1, 63, 64, 65, 200})
    void swiglu_isTheFormula(int rows) {
        float[] gate = bf16(normal(rows * 24, 3));
        float[] up = bf16(normal(rows * 24, 3));
        double[] expected = new double[gate.length];
        for (int i = 0; i < gate.length; i++) {
            expected[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
        }
        Tensor gates = Tensors.of(gate, rows, 24);
        Tensor ups = Tensors.of(up, rows, 24);
        assertClose(FP32.swiglu(Rows.of(gates), Rows.of(ups)).values(), expected, FP32_ERROR);
        assertThat(Tensors.toFloats(gates)).as("the input stays").isEqualTo(gate);
        Rows low = BF16.swiglu(Rows.of(gates.to(ScalarType.BFloat16)), Rows.of(ups.to(ScalarType.BFloat16)));
        assertClose(low.values(), expected, BF16_ERROR);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void qkNormRope_turnsPairsOfNeighbours(boolean withNorm) {
        int s = 7;
        int h = 3;
        int d = 8;
        float[] x = normal(s * h * d, 1);
        float[] scale = normal(d, 1);
        float[] angle = normal(s * d / 2, 3);
        float[] cosine = new float[angle.length];
        float[] sine = new float[angle.length];
        for (int i = 0; i < angle.length; i++) {
            cosine[i] = (float) Math.cos(angle[i]);
            sine[i] = (float) Math.sin(angle[i]);
        }
        double[] normed = withNorm ? rmsNorm(x, scale, 1e-5) : doubles(x);
        double[] expected = new double[x.length];
        for (int i = 0; i < x.length; i += 2) {
            int pair = i / (h * d) * (d / 2) + i % d / 2;
            expected[i] = normed[i] * cosine[pair] - normed[i + 1] * sine[pair];
            expected[i + 1] = normed[i] * sine[pair] + normed[i + 1] * cosine[pair];
        }
        Tensor freqsCis = torch.view_as_complex(
                torch.stack(new TensorVector(Tensors.of(cosine, s, 1, d / 2), Tensors.of(sine, s, 1, d / 2)), -1));
        Tensor weight = withNorm ? Tensors.of(scale, d) : null;
        Tensor result = Tensors.empty(ScalarType.Float, h, s, d).transpose(0, 1);
        FP32.qkNormRope(Rows.of(Tensors.of(x, s, (long) h * d)), weight, 1e-5, freqsCis, result);
        assertClose(result, expected, FP32_ERROR);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void matrixProduct_isTheFormula(boolean withBias) {
        float[] x = normal(33 * 50, 1);
        float[] weight = normal(17 * 50, 1);
        float[] bias = normal(17, 1);
        double[] expected = new double[33 * 17];
        for (int row = 0; row < 33; row++) {
            for (int column = 0; column < 17; column++) {
                double sum = withBias ? bias[column] : 0;
                for (int k = 0; k < 50; k++) {
                    sum += (double) x[row * 50 + k] * weight[column * 50 + k];
                }
                expected[row * 17 + column] = sum;
            }
        }
        Tensor result = MatrixProduct.transposed(
                Tensors.of(x, 3, 11, 50), Tensors.of(weight, 17, 50), withBias ? Tensors.of(bias, 17) : null);
        assertThat(result.sizes().vec().get()).containsExactly(3, 11, 17);
        assertClose(result, expected, FP32_ERROR);
        // Inputs as they come from slicing and transposing, which are not dense.
        Tensor strided = Tensors.of(x, 33, 50).t().contiguous().t();
        Tensor again =
                MatrixProduct.transposed(strided, Tensors.of(weight, 17, 50), withBias ? Tensors.of(bias, 17) : null);
        assertClose(again, expected, FP32_ERROR);
    }

    private static double[] rmsNorm(float[] x, float[] scale, double eps) {
        double[] result = new double[x.length];
        for (int row = 0; row < x.length; row += scale.length) {
            double squares = 0;
            for (int i = 0; i < scale.length; i++) {
                squares += (double) x[row + i] * x[row + i];
            }
            double length = Math.sqrt(squares / scale.length + eps);
            for (int i = 0; i < scale.length; i++) {
                result[row + i] = x[row + i] / length * scale[i];
            }
        }
        return result;
    }

    /** Every number must be right to a fraction of its size, or of the typical size where terms cancel. */
    private static void assertClose(Tensor actual, double[] expected, double error) {
        float[] values = Tensors.toFloats(actual);
        assertThat(values).hasSize(expected.length);
        double squares = 0;
        for (double value : expected) {
            squares += value * value;
        }
        double typical = Math.sqrt(squares / expected.length);
        for (int i = 0; i < values.length; i++) {
            assertThat((double) values[i])
                    .as("number %d", i)
                    .isCloseTo(expected[i], offset(error * Math.max(typical, Math.abs(expected[i]))));
        }
    }

    private float[] normal(int count, double size) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextGaussian() * size);
        }
        return values;
    }

    /** Cuts numbers off to what BF16 holds, so that turning them into it loses nothing. */
    private static float[] bf16(float[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xffff0000);
        }
        return values;
    }

    private static double[] doubles(float[] values) {
        double[] result = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            result[i] = values[i];
        }
        return result;
    }
}
