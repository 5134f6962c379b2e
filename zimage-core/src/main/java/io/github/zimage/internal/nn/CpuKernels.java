package io.github.zimage.internal.nn;

import io.github.zimage.Precision;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Kernels for the processor: some rows at a time, so that what is computed on the way stays in its cache. */
public final class CpuKernels extends Kernels {
    /** So many rows of Z-Image's own width stay in the cache as FP32 temporaries, and are enough to be worth a call. */
    private static final long ROWS = 64;

    /** Narrower rows are taken as many at a time as fill the same room: for a small model, calls cost more than numbers. */
    private static final long NUMBERS = ROWS * 3840;
    /** LibTorch gives a thread no fewer numbers than these, its {@code GRAIN_SIZE}; with fewer at a time, some threads would have none. */
    private static final long NUMBERS_PER_THREAD = 1 << 15;

    /** So many rows keep a matrix product at full speed, and its result is not yet so large that the system maps its memory anew each time. */
    private static final int PART = 256;

    private final boolean int8;
    private final long numbers;

    /** Creates kernels whose linear layers compute in a precision. */
    public CpuKernels(Attention attention, Precision precision) {
        super(TensorPlace.CPU, attention, precision);
        this.int8 = precision == Precision.INT8;
        this.numbers = Math.max(NUMBERS, NUMBERS_PER_THREAD * torch.get_num_threads());
    }

    @Override
    public StorageType weightType() {
        return int8 ? StorageType.I8 : super.weightType();
    }

    @Override
    public Projection projection(TensorSource weights, String name, boolean bias) {
        return int8 ? Int8Linear.load(weights, name, bias, false) : CpuLinear.load(weights, name, bias, type());
    }

    @Override
    public Projection downProjection(TensorSource weights, String name) {
        return int8 ? Int8Linear.load(weights, name, false, true) : CpuLinear.load(weights, name, false, type());
    }

    @Override
    public Factors factors() {
        return int8 ? new Int8Factors(null) : super.factors();
    }

    @Override
    public Factors downFactors() {
        return int8 ? new Int8Factors(rows -> HadamardRotation.of(rows.size(1)).turn(rows)) : factors();
    }

    @Override
    public JointProjection jointProjection(TensorSource weights, List<String> names, boolean bias) {
        return new SeparateProjections(
                names.stream().map(name -> projection(weights, name, bias)).toList());
    }

    @Override
    public Rows rows(Tensor x) {
        return int8
                ? rows(x.size(0), x.size(1), (row, count) -> Tensors.cast(x.narrow(0, row, count), ScalarType.Float))
                : Rows.of(Tensors.cast(x, type()));
    }

    private Rows rows(long rows, long features, FloatRows computation) {
        Tensor values = Tensors.empty(int8 ? ScalarType.Byte : type(), rows, features);
        Tensor scale = int8 ? Tensors.empty(ScalarType.Float, rows, 1) : null;
        byRows(rows, features, (row, count) -> {
            Tensor floats = computation.compute(row, count);
            if (scale == null) {
                values.narrow(0, row, count).copy_(floats);
            } else {
                Int8Linear.roundRows(floats, values.narrow(0, row, count), scale.narrow(0, row, count));
            }
        });
        return new Rows(values, scale);
    }

    @Override
    public Rows normScale(Tensor x, Tensor scale, double eps) {
        return rows(x.size(0), x.size(1), (row, count) -> rmsNorm(x.narrow(0, row, count), scale, eps));
    }

    @Override
    public void addNormScale(Tensor x, Rows y, Tensor scale, double eps) {
        byRows(
                x.size(0),
                x.size(1),
                (row, count) -> x.narrow(0, row, count)
                        .add_(rmsNorm(y.narrow(row, count).floats(), scale, eps)));
    }

    @Override
    public Heads heads(Tensor x, Tensor norm, double eps, JointProjection qkv, Heads.Recipe recipe) {
        Tensor query = room(x.size(0), recipe);
        Tensor key = room(x.size(0), recipe);
        Tensor value = room(x.size(0), recipe);
        inParts(x.size(0), (row, count) -> {
            List<Rows> projected = qkv.forward(normScale(x.narrow(0, row, count), norm, eps));
            qkNormRope(
                    projected.get(0),
                    recipe.queryNorm(),
                    recipe.eps(),
                    recipe.queryRotation().narrow(0, row, count),
                    query.narrow(0, row, count));
            qkNormRope(
                    projected.get(1),
                    recipe.keyNorm(),
                    recipe.eps(),
                    recipe.keyRotation().narrow(0, row, count),
                    key.narrow(0, row, count));
            copy(projected.get(2), value.narrow(0, row, count));
        });
        return new Heads(query, key, value);
    }

    /** Returns room for the heads of all rows, [S, H, D], in memory head by head. */
    private Tensor room(long rows, Heads.Recipe recipe) {
        return Tensors.empty(type(), recipe.heads(), rows, recipe.headDim()).transpose(0, 1);
    }

    /**
     * Normalises the heads of queries or keys and rotates pairs of neighbouring features (interleaved RoPE).
     *
     * @param x [S, H * D], what a linear layer gave
     * @param scale [D] fp32, or null for no norm
     * @param freqsCis [S, 1, D/2] complex64; its magnitude scales the result
     * @param result [S, H, D] of any type, which is filled
     */
    void qkNormRope(Rows x, @Nullable Tensor scale, double eps, Tensor freqsCis, Tensor result) {
        long h = result.size(1);
        long d = result.size(2);
        byRows(x.count(), h * d, (row, count) -> {
            Tensor heads = x.narrow(row, count).floats().view(count, h, d);
            result.narrow(0, row, count).copy_(rotated(heads, scale, eps, freqsCis.narrow(0, row, count)));
        });
    }

    /**
     * Copies what a linear layer gave.
     *
     * @param x [S, H * D]
     * @param result [S, H, D] of any type, which is filled
     */
    void copy(Rows x, Tensor result) {
        byRows(
                x.count(),
                result.size(1) * result.size(2),
                (row, count) -> result.narrow(0, row, count)
                        .copy_(x.narrow(row, count).floats().view(count, result.size(1), result.size(2))));
    }

    /** Its largest numbers are many times the typical one, so that 8-bit integers are made of them only after a {@link HadamardRotation}. */
    @Override
    public Rows swiglu(Rows gate, Rows up) {
        long hidden = gate.values().size(1);
        HadamardRotation rotation = int8 ? HadamardRotation.of(hidden) : null;
        return rows(gate.count(), hidden, (row, count) -> {
            Tensor product = torch.silu(gate.narrow(row, count).floats())
                    .mul_(up.narrow(row, count).floats());
            return rotation == null ? product : rotation.turn(product);
        });
    }

    @Override
    public Tensor groupNorm(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
        return Tensors.isOf(weight, ScalarType.Float)
                ? CentredGroupNorm.forward(x, weight, bias, groups, eps)
                : super.groupNorm(x, weight, bias, groups, eps);
    }

    @Override
    public void inParts(long rows, RowRange computation) {
        EvenParts.run(rows, PART, computation);
    }

    private void byRows(long rows, long features, RowRange computation) {
        EvenParts.run(rows, Math.max(ROWS, numbers / features), computation);
    }

    private interface FloatRows {
        /** Returns [count, features] fp32. */
        Tensor compute(long row, long count);
    }
}
