package io.github.zimage.internal.nn;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * The operations that the transformer blocks are written in, between their linear layers.
 *
 * <p>The residual stream, norms, rotations and products stay in FP32, whatever type the linear layers compute in: that costs a few
 * per cent of the time and keeps the result nearer to the truth than rounding after each operation would.
 */
public final class Kernels {
    /** So many rows of FP32 temporaries stay in the cache. */
    private static final int ROWS = 64;

    /** So many rows keep a matrix product at full speed. */
    private static final int PART = 256;

    private final Attention attention;
    private final ScalarType type;
    private final boolean int8;

    /** Creates kernels whose linear layers compute in a precision. */
    public Kernels(Attention attention, Precision precision) {
        this.attention = attention;
        this.type = Tensors.scalarType(precision);
        this.int8 = precision == Precision.INT8;
    }

    /** Returns the type that attention and linear layers compute in, for 8-bit integers that of their results. */
    public ScalarType type() {
        return type;
    }

    /**
     * Loads a linear layer that takes what these kernels make.
     *
     * @param name the layer's name, without {@code .weight}
     */
    public Projection projection(TensorSource weights, String name, boolean bias) {
        return int8 ? Int8Linear.load(store(weights), name, bias, false) : Linear.load(weights, name, bias, type);
    }

    /** Loads a linear layer that takes what {@link #swiglu} makes. */
    public Projection downProjection(TensorSource weights, String name) {
        return int8 ? Int8Linear.load(store(weights), name, false, true) : Linear.load(weights, name, false, type);
    }

    private static WeightStore store(TensorSource weights) {
        if (weights instanceof WeightStore store) {
            return store;
        }
        throw new IllegalStateException(
                "weights of 8-bit integers are made when they are loaded: they cannot be streamed");
    }

    /** Returns rows, [S, features] of any type, as linear layers take them. */
    public Rows rows(Tensor x) {
        return int8
                ? rows(x.size(0), x.size(1), (row, count) -> Tensors.cast(x.narrow(0, row, count), ScalarType.Float))
                : Rows.of(Tensors.cast(x, type));
    }

    private Rows rows(long rows, long features, FloatRows computation) {
        Tensor values = Tensors.empty(int8 ? ScalarType.Byte : type, rows, features);
        Tensor scale = int8 ? Tensors.empty(ScalarType.Float, rows, 1) : null;
        byRows(rows, (row, count) -> {
            Tensor floats = computation.compute(row, count);
            if (scale == null) {
                values.narrow(0, row, count).copy_(floats);
            } else {
                Int8Linear.roundRows(floats, values.narrow(0, row, count), scale.narrow(0, row, count));
            }
        });
        return new Rows(values, scale);
    }

    /**
     * Returns {@code rms_norm(x) * scale}, for a linear layer.
     *
     * @param x [S, dim] fp32
     * @param scale [dim] fp32
     * @return [S, dim]
     */
    public Rows normScale(Tensor x, Tensor scale, double eps) {
        return rows(x.size(0), x.size(1), (row, count) -> rmsNorm(x.narrow(0, row, count), scale, eps));
    }

    /**
     * Adds {@code rms_norm(y) * scale} to x, in place.
     *
     * @param x [S, dim] fp32
     * @param y [S, dim], what a linear layer gave
     * @param scale [dim] fp32
     */
    public void addNormScale(Tensor x, Rows y, Tensor scale, double eps) {
        byRows(
                x.size(0),
                (row, count) -> x.narrow(0, row, count)
                        .add_(rmsNorm(y.narrow(row, count).floats(), scale, eps)));
    }

    /**
     * Normalises the heads of queries or keys and rotates pairs of neighbouring features (interleaved RoPE).
     *
     * @param x [S, H * D], what a linear layer gave
     * @param scale [D] fp32, or null for no norm
     * @param freqsCis [S, 1, D/2] complex64; its magnitude scales the result
     * @param result [S, H, D] of any type, which is filled
     */
    public void qkNormRope(Rows x, @Nullable Tensor scale, double eps, Tensor freqsCis, Tensor result) {
        long h = result.size(1);
        long d = result.size(2);
        byRows(x.count(), (row, count) -> {
            Tensor heads = x.narrow(row, count).floats().view(count, h, d);
            Tensor normed = scale == null ? heads : rmsNorm(heads, scale, eps);
            Tensor pairs = torch.view_as_complex(normed.view(count, h, d / 2, 2)); // [rows, H, D/2]
            Tensor rotated = torch.view_as_real(pairs.mul(freqsCis.narrow(0, row, count))); // [rows, H, D/2, 2]
            result.narrow(0, row, count).copy_(rotated.flatten(2, -1)); // [rows, H, D]
        });
    }

    /**
     * Copies what a linear layer gave.
     *
     * @param x [S, H * D]
     * @param result [S, H, D] of any type, which is filled
     */
    public void copy(Rows x, Tensor result) {
        byRows(
                x.count(),
                (row, count) -> result.narrow(0, row, count)
                        .copy_(x.narrow(row, count).floats().view(count, result.size(1), result.size(2))));
    }

    /**
     * Computes attention over whole sequences.
     *
     * @param query [S, H, D] in the linear layers' type, scaled by {@code 1 / sqrt(D)}
     * @param key [S, H, D]
     * @param value [S, H, D]
     * @return [S, H * D]
     */
    public Tensor attention(Tensor query, Tensor key, Tensor value, boolean causal) {
        return Tensors.scoped(() -> {
            Tensor heads = attention.attend(
                    query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), causal); // [H, S, D]
            return heads.transpose(0, 1).reshape(query.size(0), query.size(1) * query.size(2)); // [S, H * D]
        });
    }

    /**
     * Returns {@code silu(gate) * up}, for a layer of {@link #downProjection}. Its largest numbers are many times the typical one, so
     * that 8-bit integers are made of them only after a {@link Rotation}.
     *
     * @param gate [S, hidden], what a linear layer gave
     * @param up [S, hidden], likewise
     * @return [S, hidden]
     */
    public Rows swiglu(Rows gate, Rows up) {
        long hidden = gate.values().size(1);
        Rotation rotation = int8 ? Rotation.of(hidden) : null;
        return rows(gate.count(), hidden, (row, count) -> {
            Tensor product = torch.silu(gate.narrow(row, count).floats())
                    .mul_(up.narrow(row, count).floats());
            return rotation == null ? product : rotation.turn(product);
        });
    }

    /**
     * Runs a computation on a part of the rows at a time, so that what is computed on the way takes little memory and is still in the
     * cache when it is needed.
     */
    public void inParts(long rows, RowRange computation) {
        byRows(rows, PART, computation);
    }

    private static void byRows(long rows, RowRange computation) {
        byRows(rows, ROWS, computation);
    }

    private static void byRows(long rows, long part, RowRange computation) {
        for (long row = 0; row < rows; row += part) {
            try (PointerScope scope = new PointerScope()) {
                computation.run(row, Math.min(part, rows - row));
            }
        }
    }

    /** A computation on some rows. */
    public interface RowRange {
        /**
         * Runs the computation.
         *
         * @param row the first row
         * @param count how many rows
         */
        void run(long row, long count);
    }

    private interface FloatRows {
        /** Returns [count, features] fp32. */
        Tensor compute(long row, long count);
    }

    /**
     * Returns {@code x / sqrt(mean(x^2) + eps) * scale} over the last dimension.
     *
     * @param x [..., dim] fp32
     * @param scale [dim] fp32
     */
    public static Tensor rmsNorm(Tensor x, Tensor scale, double eps) {
        return torch.rms_norm(x, new long[] {scale.size(0)}, new TensorOptional(scale), new DoubleOptional(eps));
    }
}
