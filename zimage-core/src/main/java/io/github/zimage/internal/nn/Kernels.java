package io.github.zimage.internal.nn;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.Tensors;
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
    private static final int ROWS = 64;

    private final Attention attention;
    private final ScalarType type;

    /** Creates kernels whose linear layers compute in a precision. */
    public Kernels(Attention attention, Precision precision) {
        this.attention = attention;
        this.type = Tensors.scalarType(precision);
    }

    /** Returns the type that linear layers compute in. */
    public ScalarType type() {
        return type;
    }

    /**
     * Returns {@code rms_norm(x) * scale}.
     *
     * @param x [S, dim] fp32
     * @param scale [dim] fp32
     * @return [S, dim] in the linear layers' type
     */
    public Tensor normScale(Tensor x, Tensor scale, double eps) {
        Tensor result = Tensors.empty(type, x.size(0), x.size(1));
        byRows(
                x.size(0),
                (row, count) -> result.narrow(0, row, count).copy_(rmsNorm(x.narrow(0, row, count), scale, eps)));
        return result;
    }

    /**
     * Adds {@code rms_norm(y) * scale} to x, in place.
     *
     * @param x [S, dim] fp32
     * @param y [S, dim] of any type
     * @param scale [dim] fp32
     */
    public void addNormScale(Tensor x, Tensor y, Tensor scale, double eps) {
        byRows(x.size(0), (row, count) -> {
            Tensor rows = Tensors.cast(y.narrow(0, row, count), ScalarType.Float);
            x.narrow(0, row, count).add_(rmsNorm(rows, scale, eps));
        });
    }

    /**
     * Normalises the heads of queries or keys and rotates pairs of neighbouring features (interleaved RoPE).
     *
     * @param x [S, H, D] of any type
     * @param scale [D] fp32, or null for no norm
     * @param freqsCis [S, 1, D/2] complex64; its magnitude scales the result
     * @return [S, H, D] in the linear layers' type
     */
    public Tensor qkNormRope(Tensor x, @Nullable Tensor scale, double eps, Tensor freqsCis) {
        long h = x.size(1);
        long d = x.size(2);
        Tensor result = Tensors.empty(type, x.size(0), h, d);
        byRows(x.size(0), (row, count) -> {
            Tensor heads = Tensors.cast(x.narrow(0, row, count), ScalarType.Float);
            Tensor normed = scale == null ? heads : rmsNorm(heads, scale, eps);
            Tensor pairs = torch.view_as_complex(normed.view(count, h, d / 2, 2)); // [rows, H, D/2]
            Tensor rotated = torch.view_as_real(pairs.mul(freqsCis.narrow(0, row, count))); // [rows, H, D/2, 2]
            result.narrow(0, row, count).copy_(rotated.flatten(2, -1)); // [rows, H, D]
        });
        return result;
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
     * Returns {@code silu(gate) * up}.
     *
     * @param gate [S, hidden] in the linear layers' type
     * @param up [S, hidden]
     * @return [S, hidden] in the linear layers' type
     */
    public Tensor swiglu(Tensor gate, Tensor up) {
        Tensor result = torch.empty_like(gate);
        byRows(gate.size(0), (row, count) -> {
            Tensor gateRows = Tensors.cast(gate.narrow(0, row, count), ScalarType.Float);
            Tensor upRows = Tensors.cast(up.narrow(0, row, count), ScalarType.Float);
            result.narrow(0, row, count).copy_(torch.silu(gateRows).mul_(upRows));
        });
        return result;
    }

    /** Runs a computation on some rows at a time, so that its FP32 temporaries stay in the cache and their memory is used again. */
    private static void byRows(long rows, RowRange computation) {
        for (long row = 0; row < rows; row += ROWS) {
            try (PointerScope scope = new PointerScope()) {
                computation.run(row, Math.min(ROWS, rows - row));
            }
        }
    }

    private interface RowRange {
        void run(long row, long count);
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
