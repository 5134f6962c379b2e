package io.github.zimage.internal.numbers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects weights in 8-bit integers: that they stand for those they are made of, whatever these are stored as. */
class RowRoundingTest {
    private final Random random = new Random(20261123);

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private float[] normal(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = Float.intBitsToFloat(Float.floatToRawIntBits((float) random.nextGaussian()) & 0xffff0000);
        }
        return values;
    }

    /** Rounds rows and returns the numbers that come out, each times its scale. */
    private static double[] rounded(float[] rows, int columns, boolean turned, StorageType type) {
        ByteBuffer from = buffer(rows.length * type.bytes());
        for (float number : rows) {
            switch (type) {
                case F32 -> from.putFloat(number);
                case BF16 -> from.putShort((short) (Float.floatToRawIntBits(number) >>> 16));
                default -> throw new IllegalArgumentException(type.toString());
            }
        }
        ByteBuffer values = buffer(rows.length);
        ByteBuffer scales = buffer(rows.length / columns * Float.BYTES);
        new RowRounding(columns, turned).round(from.flip(), type, values, scales);
        assertThat(values.remaining() + scales.remaining() + from.remaining()).isZero();
        double[] result = new double[rows.length];
        for (int i = 0; i < rows.length; i++) {
            result[i] = (double) values.get(i) * scales.getFloat(i / columns * Float.BYTES);
        }
        return result;
    }

    // A wrong scale, a row taken for its neighbour, or integers that are cut off instead of rounded are all further
    // off.
    @ParameterizedTest
    @CsvSource({"7, 33, F32", "7, 33, BF16", "300, 64, BF16", "1, 1, F32"})
    void numbers_areWithinHalfAStep(int count, int columns, StorageType type) {
        float[] rows = normal(count * columns);
        for (int i = 0; i < rows.length; i++) {
            rows[i] *= (float) Math.pow(2, i / columns % 20 - 10);
        }
        double[] back = rounded(rows, columns, false, type);
        for (int row = 0; row < count; row++) {
            double largest = 0;
            for (int i = row * columns; i < (row + 1) * columns; i++) {
                largest = Math.max(largest, Math.abs(rows[i]));
            }
            for (int i = row * columns; i < (row + 1) * columns; i++) {
                assertThat(back[i]).as("row %d", row).isCloseTo(rows[i], within(largest / 127 * 0.5001));
            }
        }
    }

    // Activations are turned by the matrix, weights in place: if the two were not the same, pictures would be noise.
    @ParameterizedTest
    @CsvSource({"7, 1", "12, 4", "96, 16", "512, 256", "1280, 256"})
    void turnedRows_areThoseTimesTheMatrix(int columns, int size) {
        assertThat(RowRounding.turnedTogether(columns)).isEqualTo(size);
        float[] matrix = RowRounding.matrix(size);
        float[] rows = normal(3 * columns);
        double[] turned = new double[rows.length];
        double largest = 0;
        for (int i = 0; i < rows.length; i++) {
            int group = i / size * size;
            for (int k = 0; k < size; k++) {
                turned[i] += (double) matrix[i % size * size + k] * rows[group + k];
            }
            largest = Math.max(largest, Math.abs(turned[i]));
        }
        double[] back = rounded(rows, columns, true, StorageType.F32);
        for (int i = 0; i < rows.length; i++) {
            assertThat(back[i]).isCloseTo(turned[i], within(largest / 127 * 0.501));
        }
    }

    // Otherwise turning both factors would change their product.
    @Test
    void matrix_isOrthogonal() {
        int size = 64;
        float[] matrix = RowRounding.matrix(size);
        for (int a = 0; a < size; a++) {
            for (int b = 0; b < size; b++) {
                double sum = 0;
                for (int k = 0; k < size; k++) {
                    sum += (double) matrix[a * size + k] * matrix[b * size + k];
                }
                assertThat(sum).isEqualTo(a == b ? 1.0 : 0.0);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"NaN", "Infinity", "-Infinity"})
    void rowWithANumberThatIsNotFinite_getsAScaleThatIsNot(float bad) {
        float[] rows = normal(3 * 8);
        rows[8 + 5] = bad;
        double[] back = rounded(rows, 8, false, StorageType.F32);
        for (int i = 0; i < back.length; i++) {
            assertThat(Double.isFinite(back[i])).as("number %d", i).isEqualTo(i / 8 != 1);
        }
    }

    @Test
    void zeros_stayZeros() {
        assertThat(rounded(new float[16], 16, true, StorageType.F32)).containsOnly(0.0);
    }
}
