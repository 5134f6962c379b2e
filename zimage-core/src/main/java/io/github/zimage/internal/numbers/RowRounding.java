package io.github.zimage.internal.numbers;

import java.nio.ByteBuffer;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Rounds the rows of a matrix to 8-bit integers, each by a scale of its own that makes its largest number 127, and turns rows before
 * that: neighbours into each other, by a Hadamard matrix with random signs for its columns, so that none is much larger than the
 * others.
 *
 * <p>What is rounded is kept on disks: the version of the converted weights' layout has to change with it.
 */
public final class RowRounding {
    /** What the largest number of a row becomes. */
    public static final double LARGEST = 127;

    /** Rows smaller than this count as zeros; their scale can still be inverted. */
    public static final double SMALLEST = 1e-30;

    /** A power of 4, so that the numbers of the matrix are powers of 2, which BF16 holds. */
    private static final int MOST_TURNED = 256;

    private static final long SEED = 1;

    /** How the scales of a matrix in 8-bit integers are called, behind its name. */
    private static final String SCALES = ".scale";

    /** Adding it leaves the nearest integer in the lowest bits. */
    private static final float INTEGERS = 0x1.8p23f;

    private static final int MAGNITUDE_BITS = 0x7fffffff;
    private static final int INFINITY_BITS = 0x7f800000;

    private final int columns;
    private final int turned;
    private final float[] signs;

    /**
     * Prepares for rows.
     *
     * @param columns how long they are
     * @param turned whether they are turned before
     */
    public RowRounding(int columns, boolean turned) {
        this.columns = columns;
        this.turned = turned ? turnedTogether(columns) : 1;
        this.signs = signs(this.turned);
    }

    /** Returns the name of the scales of a matrix in 8-bit integers. */
    public static String scales(String matrix) {
        return matrix + SCALES;
    }

    /** Returns whether a tensor holds the scales of a matrix. */
    public static boolean isScales(String name) {
        return name.endsWith(".weight" + SCALES);
    }

    /** Returns how many neighbours are turned into each other in rows of a length: as many as divide it, up to 256. */
    public static int turnedTogether(long columns) {
        int size = 1;
        while (size < MOST_TURNED && columns % (4L * size) == 0) {
            size *= 4;
        }
        return size;
    }

    /** Returns the matrix that turns so many neighbours, row by row. */
    public static float[] matrix(int size) {
        float[] signs = signs(size);
        float[] matrix = new float[size * size];
        for (int row = 0; row < size; row++) {
            for (int column = 0; column < size; column++) {
                matrix[row * size + column] = Integer.bitCount(row & column) % 2 == 0 ? signs[column] : -signs[column];
            }
        }
        return matrix;
    }

    /** Returns for each column of the matrix what the numbers in it are, but for the signs that make them orthogonal. */
    private static float[] signs(int size) {
        Random random = new Random(SEED);
        float[] signs = new float[size];
        for (int i = 0; i < size; i++) {
            signs[i] = (float) ((random.nextBoolean() ? 1 : -1) / Math.sqrt(size));
        }
        return signs;
    }

    /**
     * Rounds whole rows, on all processors. A row with a number that is not finite gets a scale that is not.
     *
     * @param rows the rows, in native or little-endian order as the buffer says
     * @param type F32, F16 or BF16
     * @param values gets the integers
     * @param scales gets an F32 number a row, in the order of the buffer, that the row's integers have to be multiplied by
     */
    public void round(ByteBuffer rows, StorageType type, ByteBuffer values, ByteBuffer scales) {
        int width = columns * type.bytes();
        int count = rows.remaining() / width;
        int firstRow = rows.position();
        int firstValue = values.position();
        int firstScale = scales.position();
        IntStream.range(0, count).parallel().forEach(row -> {
            ByteBuffer from = rows.slice(firstRow + row * width, width).order(rows.order());
            byte[] integers = new byte[columns];
            scales.putFloat(firstScale + row * Float.BYTES, round(floats(from, type), integers));
            values.slice(firstValue + row * columns, columns).put(integers);
        });
        rows.position(firstRow + count * width);
        values.position(firstValue + count * columns);
        scales.position(firstScale + count * Float.BYTES);
    }

    private float[] floats(ByteBuffer row, StorageType type) {
        float[] floats = new float[columns];
        switch (type) {
            case F32 -> row.asFloatBuffer().get(floats);
            case F16, BF16 -> {
                short[] halves = new short[columns];
                row.asShortBuffer().get(halves);
                for (int i = 0; i < columns; i++) {
                    int bits = type == StorageType.BF16 ? halves[i] << 16 : NumberConversion.f16ToF32(halves[i]);
                    floats[i] = Float.intBitsToFloat(bits);
                }
            }
            default -> throw new IllegalArgumentException("type must be F32, F16 or BF16, but was " + type);
        }
        return floats;
    }

    /** Rounds a row, which is overwritten, and returns its scale. */
    private float round(float[] row, byte[] integers) {
        for (int first = 0; turned > 1 && first < row.length; first += turned) {
            turn(row, first);
        }
        int largestBits = 0;
        for (float number : row) {
            largestBits = Math.max(largestBits, Float.floatToRawIntBits(number) & MAGNITUDE_BITS);
        }
        if (largestBits >= INFINITY_BITS) {
            return Float.NaN;
        }
        float largest = Math.max(Float.intBitsToFloat(largestBits), (float) SMALLEST);
        float inverse = (float) LARGEST / largest;
        for (int i = 0; i < row.length; i++) {
            integers[i] = (byte) Float.floatToRawIntBits(row[i] * inverse + INTEGERS);
        }
        return largest / (float) LARGEST;
    }

    private void turn(float[] row, int first) {
        for (int i = 0; i < turned; i++) {
            row[first + i] *= signs[i];
        }
        for (int half = 1; half < turned; half *= 2) {
            for (int group = first; group < first + turned; group += 2 * half) {
                for (int i = group; i < group + half; i++) {
                    float a = row[i];
                    float b = row[i + half];
                    row[i] = a + b;
                    row[i + half] = a - b;
                }
            }
        }
    }
}
