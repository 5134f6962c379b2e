package io.github.zimage.internal.nn;

import io.github.zimage.Nag;
import io.github.zimage.Precision;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * The operations that the models are written in, on one device and in one precision.
 *
 * <p>The residual stream, norms, rotations and products stay in FP32, whatever type the linear layers compute in: that costs a few
 * per cent of the time and keeps the result nearer to the truth than rounding after each operation would.
 */
public abstract class Kernels {
    private static final long[] ONE = {1, 1};

    private final TensorPlace place;
    private final Attention attention;
    private final Precision precision;
    private final ScalarType type;

    /** Creates kernels whose linear layers compute in a precision. */
    protected Kernels(TensorPlace place, Attention attention, Precision precision) {
        this.place = place;
        this.attention = attention;
        this.precision = precision;
        this.type = Tensors.scalarType(precision);
    }

    /** Returns where tensors lie that these kernels compute with. */
    public final TensorPlace place() {
        return place;
    }

    /** Returns what linear layers compute in. */
    public final Precision precision() {
        return precision;
    }

    /** Returns the type that attention and linear layers compute in, for 8-bit numbers that of their results. */
    public final ScalarType type() {
        return type;
    }

    /** Returns how attention is computed. */
    public final Attention attention() {
        return attention;
    }

    /** Returns how the weights of {@link #projection} are stored where they need not be converted. */
    public StorageType weightType() {
        return WeightStore.storageType(type);
    }

    /**
     * Loads a linear layer that takes what these kernels make.
     *
     * @param name the layer's name, without {@code .weight}
     */
    public abstract Projection projection(TensorSource weights, String name, boolean bias);

    /** Loads a linear layer that takes what {@link #swiglu} makes. */
    public abstract Projection downProjection(TensorSource weights, String name);

    /** As {@link #projection}, for layers that take the same. */
    public abstract JointProjection jointProjection(TensorSource weights, List<String> names, boolean bias);

    /** Takes what adapters add to a layer of {@link #projection}, or to those of {@link #jointProjection}; null if that is nothing. */
    public final @Nullable Addition addition(WeightStore adapters, String... names) {
        return Addition.load(adapters, List.of(names), factors());
    }

    /** As {@link #addition}, for a layer of {@link #downProjection}. */
    public final @Nullable Addition downAddition(WeightStore adapters, String name) {
        return Addition.load(adapters, List.of(name), downFactors());
    }

    /** Returns how factors are kept of what adapters add to a layer of {@link #projection}. */
    public Factors factors() {
        return new Factors(type, null);
    }

    /** As {@link #factors}, for a layer of {@link #downProjection}. */
    public Factors downFactors() {
        return factors();
    }

    /** Returns rows, [S, features] of any type, as linear layers take them. */
    public abstract Rows rows(Tensor x);

    /**
     * Returns {@code rms_norm(x) * scale}, for a linear layer.
     *
     * @param x [S, dim] fp32
     * @param scale [dim] fp32
     * @return [S, dim]
     */
    public abstract Rows normScale(Tensor x, Tensor scale, double eps);

    /**
     * Adds {@code rms_norm(y) * scale} to x, in place.
     *
     * @param x [S, dim] fp32
     * @param y [S, dim], what a linear layer gave
     * @param scale [dim] fp32
     */
    public abstract void addNormScale(Tensor x, Rows y, Tensor scale, double eps);

    /** As {@link #addNormScale}, followed by {@link #normScale} of x by {@code nextScale}. */
    public Rows addNormScaleNorm(Tensor x, Rows y, Tensor scale, Tensor nextScale, double eps) {
        addNormScale(x, y, scale, eps);
        return normScale(x, nextScale, eps);
    }

    /**
     * Makes queries, keys and values.
     *
     * @param x [S, dim] fp32
     * @param norm the weight of the norm in front, [dim] fp32
     * @param eps that of the norm
     * @param qkv gives queries, keys and values, [S, H * D] each
     */
    public abstract Heads heads(Tensor x, Tensor norm, double eps, JointProjection qkv, Heads.Recipe recipe);

    /**
     * Computes attention over whole sequences.
     *
     * @param query [S, H, D] in the linear layers' type, scaled by {@code 1 / sqrt(D)}
     * @param key [S, H, D]
     * @param value [S, H, D]
     * @return [S, H * D]
     */
    public Tensor attention(Tensor query, Tensor key, Tensor value, boolean causal) {
        return attention(attention, query, key, value, causal);
    }

    /** As {@link #attention}, for a head of several hundred features, which not all kernels of a device can do. */
    public Tensor wideAttention(Tensor query, Tensor key, Tensor value) {
        return attention(attention, query, key, value, false);
    }

    /**
     * Combines what rows attend to beside what a picture shall show and beside what it shall not, in place of the first.
     *
     * @param positive [S, dim] of any type
     * @param negative [S, dim], likewise
     */
    public void guide(Tensor positive, Tensor negative, Nag nag) {
        try (PointerScope scope = new PointerScope()) {
            Tensor shown = Tensors.cast(positive, ScalarType.Float);
            Tensor guided = shown.sub(Tensors.cast(negative, ScalarType.Float))
                    .mul_(new Scalar(nag.scale() - 1))
                    .add_(shown);
            Tensor limit = rowLengths(shown).mul_(new Scalar(nag.tau())); // [S, 1]
            Tensor length = rowLengths(guided).clamp_min_(new Scalar(Float.MIN_NORMAL));
            guided.mul_(limit.div_(length).clamp_max_(new Scalar(1.0)));
            positive.copy_(guided.sub_(shown).mul_(new Scalar(nag.alpha())).add_(shown));
        }
    }

    /** Returns the sum of the magnitudes of each row, [S, 1]. */
    private static Tensor rowLengths(Tensor x) {
        return torch.linalg_vector_norm(x, new Scalar(1.0), new long[] {1}, true, new ScalarTypeOptional());
    }

    static Tensor attention(Attention attention, Tensor query, Tensor key, Tensor value, boolean causal) {
        return Tensors.scoped(() -> {
            Tensor heads = attention.attend(
                    query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), causal); // [H, S, D]
            return heads.transpose(0, 1).reshape(query.size(0), query.size(1) * query.size(2)); // [S, H * D]
        });
    }

    /**
     * Returns {@code silu(gate) * up}, for a layer of {@link #downProjection}.
     *
     * @param gate [S, hidden], what a linear layer gave
     * @param up [S, hidden], likewise
     * @return [S, hidden]
     */
    public abstract Rows swiglu(Rows gate, Rows up);

    /**
     * Runs a computation on all rows or, where that takes less memory or time, on a part of them after the other.
     *
     * @param rows how many there are
     */
    public abstract void inParts(long rows, RowRange computation);

    /**
     * Returns {@code layer_norm(x) * scale} over the last dimension.
     *
     * @param x [S, dim] fp32
     * @param scale [dim] fp32
     * @return [S, dim] fp32
     */
    public Tensor layerNorm(Tensor x, Tensor scale, double eps) {
        return torch.layer_norm(x, new long[] {x.size(1)}, new TensorOptional(scale), new TensorOptional(), eps, false);
    }

    /**
     * Returns {@code silu(group_norm(x) * weight + bias)}.
     *
     * @param x [1, C, h, w] of any type, with the channels last in memory
     * @param weight [C] of the type that is computed in
     * @param bias [C], likewise
     * @return [1, C, h, w] of the weight's type
     */
    public Tensor groupNormSilu(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
        return torch.silu_(groupNorm(x, weight, bias, groups, eps));
    }

    /** As {@link #groupNormSilu}, without SiLU. */
    public Tensor groupNorm(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
        return Tensors.scoped(() -> torch.group_norm(
                Tensors.cast(x, weight.scalar_type()),
                groups,
                new TensorOptional(weight),
                new TensorOptional(bias),
                eps,
                false));
    }

    /**
     * Returns a convolution.
     *
     * @param x [1, in, h, w] of the weight's type, with the channels last in memory
     * @param weight [out, in, k, k], likewise
     * @param bias [out]
     * @param stride how many rows and columns lie between two results
     * @param padding how many zeros are put before and behind rows and columns
     */
    public Tensor conv2d(Tensor x, Tensor weight, Tensor bias, int stride, long[] padding) {
        return torch.conv2d(x, weight, new TensorOptional(bias), new long[] {stride, stride}, padding, ONE, 1);
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

    /**
     * Returns {@code x / sqrt(mean(x^2) + eps) * scale} over the last dimension.
     *
     * @param x [..., dim] fp32
     * @param scale [dim] fp32
     */
    public static Tensor rmsNorm(Tensor x, Tensor scale, double eps) {
        return torch.rms_norm(x, new long[] {scale.size(0)}, new TensorOptional(scale), new DoubleOptional(eps));
    }

    /** Normalises heads [S, H, D] fp32, unless the weight is null, and rotates pairs of neighbouring features. */
    static Tensor rotated(Tensor heads, @Nullable Tensor norm, double eps, Tensor rotation) {
        Tensor normed = norm == null ? heads : rmsNorm(heads, norm, eps);
        Tensor pairs =
                torch.view_as_complex(normed.view(heads.size(0), heads.size(1), heads.size(2) / 2, 2)); // [S, H, D/2]
        return torch.view_as_real(pairs.mul(rotation)).flatten(2, -1); // [S, H, D/2, 2] -> [S, H, D]
    }
}
