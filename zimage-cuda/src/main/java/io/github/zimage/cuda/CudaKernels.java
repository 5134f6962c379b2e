package io.github.zimage.cuda;

import io.github.zimage.Precision;
import io.github.zimage.internal.nn.AtenKernels;
import io.github.zimage.internal.nn.Factors;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Kernels that each do in one pass over memory what takes LibTorch's operators many. They are for BF16, and for numbers of features
 * that vector loads can take; what they are not for the operators do.
 */
final class CudaKernels extends AtenKernels {
    /** What build.py compiled the kernels for. */
    private static final long ROW_LIMIT = 4096;

    private static final long SWIGLU_BLOCK = 2048;
    private static final long HEADS_BLOCK = 32;
    private static final long HEAD_LIMIT = 128;
    private static final long GROUPS = 32;
    private static final long GROUP_ELEMENTS = 8192;
    private static final List<Long> GROUP_CHANNELS = List.of(128L, 256L, 512L);
    static final long VECTOR = 16;

    private final Launcher launcher;
    private final @Nullable EightBits eightBits;

    CudaKernels(TensorPlace place, Attention attention, Precision precision, Launcher launcher) {
        super(place, attention, precision);
        this.launcher = launcher;
        this.eightBits = precision.bytes() == 1 ? new EightBits(place, precision, launcher) : null;
    }

    @Override
    public Projection projection(TensorSource weights, String name, boolean bias) {
        return eightBits == null
                ? super.projection(weights, name, bias)
                : EightBitLinear.load(eightBits, weights, List.of(name), bias, false)
                        .projection();
    }

    @Override
    public Projection downProjection(TensorSource weights, String name) {
        return eightBits == null
                ? super.downProjection(weights, name)
                : EightBitLinear.load(eightBits, weights, List.of(name), false, eightBits.integers())
                        .projection();
    }

    @Override
    public Factors factors() {
        return new CudaFactors(type(), eightBits, null);
    }

    @Override
    public Factors downFactors() {
        return eightBits == null || !eightBits.integers()
                ? factors()
                : new CudaFactors(
                        type(),
                        eightBits,
                        rows -> eightBits.rotation(rows.size(1)).turnExactly(rows));
    }

    @Override
    public JointProjection jointProjection(TensorSource weights, List<String> names, boolean bias) {
        return eightBits == null
                ? super.jointProjection(weights, names, bias)
                : EightBitLinear.load(eightBits, weights, names, bias, false).joint();
    }

    @Override
    public Rows rows(Tensor x) {
        return eightBits == null ? super.rows(x) : eightBits.rows(Tensors.cast(x, ScalarType.BFloat16));
    }

    @Override
    public Rows normScale(Tensor x, Tensor scale, double eps) {
        if (eightBits != null) {
            return eightBits.normScale(x, scale, eps);
        }
        return fits("norm_scale", x)
                ? Rows.of(normScale(launcher, place(), x, scale, eps))
                : super.normScale(x, scale, eps);
    }

    static Tensor normScale(Launcher launcher, TensorPlace place, Tensor x, Tensor scale, double eps) {
        Tensor out = place.empty(ScalarType.BFloat16, x.size(0), x.size(1));
        launcher.launch(
                "norm_scale",
                x.size(0),
                1,
                to -> to.pointer(ArgumentType.FP32_POINTER, x)
                        .pointer(ArgumentType.FP32_POINTER, scale)
                        .pointer(ArgumentType.BF16_POINTER, out)
                        .integer(x.size(1))
                        .real(eps));
        return out;
    }

    @Override
    public void addNormScale(Tensor x, Rows y, Tensor scale, double eps) {
        if (!fits("add_norm_scale", x) || !isDense(y)) {
            super.addNormScale(x, y, scale, eps);
            return;
        }
        launcher.launch(
                "add_norm_scale",
                x.size(0),
                1,
                to -> to.pointer(ArgumentType.FP32_POINTER, x)
                        .pointer(ArgumentType.BF16_POINTER, y.values())
                        .pointer(ArgumentType.FP32_POINTER, scale)
                        .integer(x.size(1))
                        .real(eps));
    }

    @Override
    public Rows addNormScaleNorm(Tensor x, Rows y, Tensor scale, Tensor nextScale, double eps) {
        if (eightBits != null && isDense(y) && eightBits.addsAndNorms(x)) {
            return eightBits.addNormScaleNorm(x, y.values(), scale, nextScale, eps);
        }
        if (eightBits != null || !fits("add_norm_scale_norm_scale", x) || !isDense(y)) {
            return super.addNormScaleNorm(x, y, scale, nextScale, eps);
        }
        Tensor out = place().empty(ScalarType.BFloat16, x.size(0), x.size(1));
        launcher.launch(
                "add_norm_scale_norm_scale",
                x.size(0),
                1,
                to -> to.pointer(ArgumentType.FP32_POINTER, x)
                        .pointer(ArgumentType.BF16_POINTER, y.values())
                        .pointer(ArgumentType.FP32_POINTER, scale)
                        .pointer(ArgumentType.FP32_POINTER, nextScale)
                        .pointer(ArgumentType.BF16_POINTER, out)
                        .integer(x.size(1))
                        .real(eps));
        return Rows.of(out);
    }

    @Override
    protected Tensor qkNormRope(Rows x, @Nullable Tensor norm, double eps, Tensor rotation) {
        Tensor values = x.values();
        long dim = 2 * rotation.size(2);
        if (norm == null
                || x.scale() != null
                || !isBf16()
                || !launcher.has("qk_norm_rope")
                || !isBf16(values)
                || dim % VECTOR != 0
                || dim > HEAD_LIMIT
                || !rotation.is_contiguous()
                || values.stride(0) % VECTOR != 0
                || values.stride(1) != 1) {
            return super.qkNormRope(x, norm, eps, rotation);
        }
        long heads = values.size(1) / dim;
        Tensor out = place().empty(ScalarType.BFloat16, values.size(0), heads, dim);
        Rows.Added added = x.added();
        String kernel = added == null ? null : AddedKernels.name(launcher, "qk_norm_rope_added_", added);
        if (added != null && kernel != null) {
            AddedKernels.qkNormRope(launcher, kernel, values, added, norm, rotation, out, eps);
            return out;
        }
        qkNormRope(x.settled().values(), norm, eps, rotation, out);
        return out;
    }

    private void qkNormRope(Tensor values, Tensor norm, double eps, Tensor rotation, Tensor out) {
        long heads = out.size(1);
        long dim = out.size(2);
        long count = values.size(0) * heads;
        launcher.launch(
                "qk_norm_rope",
                blocks(count, HEADS_BLOCK),
                1,
                to -> to.pointer(ArgumentType.BF16_POINTER, values)
                        .pointer(ArgumentType.FP32_POINTER, norm)
                        .pointer(ArgumentType.FP32_POINTER, rotation)
                        .pointer(ArgumentType.BF16_POINTER, out)
                        .integer(count)
                        .integer(heads)
                        .integer(dim)
                        .integer(values.stride(0))
                        .integer(heads * dim)
                        .integer(dim)
                        .real(eps));
    }

    @Override
    public Rows swiglu(Rows gate, Rows up) {
        if (gate.added() != null && up.added() != null && canSwiglu(gate.values(), up.values()) && isBf16()) {
            String kernel = AddedKernels.name(launcher, "swiglu_added_", gate.added(), up.added());
            if (kernel != null) {
                Tensor product = AddedKernels.swiglu(launcher, place(), kernel, gate, up);
                return eightBits == null ? Rows.of(product) : eightBits.afterSwiglu(product);
            }
        }
        return plainSwiglu(gate.settled(), up.settled());
    }

    private Rows plainSwiglu(Rows gate, Rows up) {
        if (eightBits != null) {
            return eightBits.swiglu(
                    Tensors.cast(gate.values(), ScalarType.BFloat16), Tensors.cast(up.values(), ScalarType.BFloat16));
        }
        return canSwiglu(gate.values(), up.values()) && isBf16()
                ? Rows.of(swiglu(launcher, place(), gate.values(), up.values()))
                : super.swiglu(gate, up);
    }

    private boolean canSwiglu(Tensor gate, Tensor up) {
        return launcher.has("swiglu")
                && isBf16(gate)
                && isBf16(up)
                && gate.size(1) % VECTOR == 0
                && gate.stride(0) % VECTOR == 0
                && gate.stride(0) == up.stride(0)
                && gate.stride(1) == 1
                && up.stride(1) == 1;
    }

    static Tensor swiglu(Launcher launcher, TensorPlace place, Tensor gate, Tensor up) {
        Tensor out = place.empty(ScalarType.BFloat16, gate.size(0), gate.size(1));
        launcher.launch(
                "swiglu",
                gate.size(0),
                blocks(gate.size(1), SWIGLU_BLOCK),
                to -> to.pointer(ArgumentType.BF16_POINTER, gate)
                        .pointer(ArgumentType.BF16_POINTER, up)
                        .pointer(ArgumentType.BF16_POINTER, out)
                        .integer(gate.size(1))
                        .integer(gate.stride(0)));
        return out;
    }

    @Override
    public Tensor groupNormSilu(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
        if (!fitsGroups(x, groups)) {
            return super.groupNormSilu(x, weight, bias, groups, eps);
        }
        return Tensors.isOf(weight, ScalarType.Float)
                ? groupNormKernel("group_norm_silu_fp32_", x, weight, bias, eps)
                : groupNormKernel("group_norm_silu_", x, weight, bias, eps);
    }

    @Override
    public Tensor groupNorm(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
        return fitsGroups(x, groups) && isBf16(weight)
                ? groupNormKernel("group_norm_", x, weight, bias, eps)
                : super.groupNorm(x, weight, bias, groups, eps);
    }

    private boolean fitsGroups(Tensor x, int groups) {
        return groups == GROUPS
                && isBf16(x)
                && x.size(0) == 1
                && GROUP_CHANNELS.contains(x.size(1))
                && launcher.has("group_norm_" + x.size(1))
                && x.is_contiguous(MemoryFormat.ChannelsLast);
    }

    private Tensor groupNormKernel(String kernel, Tensor x, Tensor weight, Tensor bias, double eps) {
        long channels = x.size(1);
        long pixels = x.size(2) * x.size(3);
        long blockPixels = GROUP_ELEMENTS / channels;
        long blocks = blocks(pixels, blockPixels);
        return Tensors.scoped(() -> {
            Tensor partial = place().empty(ScalarType.Float, blocks, 2, GROUPS);
            Tensor statistics = place().empty(ScalarType.Float, 2, GROUPS);
            Tensor floatWeight = Tensors.cast(weight, ScalarType.Float);
            Tensor floatBias = Tensors.cast(bias, ScalarType.Float);
            ScalarType type = weight.scalar_type();
            ArgumentType outPointer = isBf16(weight) ? ArgumentType.BF16_POINTER : ArgumentType.FP32_POINTER;
            Tensor out = place().empty(type, 1, x.size(2), x.size(3), channels).permute(0, 3, 1, 2); // channels last
            launcher.launch(
                    "group_statistics_" + channels,
                    blocks,
                    1,
                    to -> to.pointer(ArgumentType.BF16_POINTER, x)
                            .pointer(ArgumentType.FP32_POINTER, partial)
                            .integer(pixels));
            launcher.launch(
                    "group_merge",
                    GROUPS,
                    1,
                    to -> to.pointer(ArgumentType.FP32_POINTER, partial)
                            .pointer(ArgumentType.FP32_POINTER, statistics)
                            .integer(pixels)
                            .real(eps)
                            .integer(blocks)
                            .integer(blockPixels)
                            .integer(channels / GROUPS));
            launcher.launch(
                    kernel + channels,
                    blocks,
                    1,
                    to -> to.pointer(ArgumentType.BF16_POINTER, x)
                            .pointer(ArgumentType.FP32_POINTER, statistics)
                            .pointer(ArgumentType.FP32_POINTER, floatWeight)
                            .pointer(ArgumentType.FP32_POINTER, floatBias)
                            .pointer(outPointer, out)
                            .integer(pixels));
            return out;
        });
    }

    private boolean isBf16() {
        return type().intern() == ScalarType.BFloat16;
    }

    private static boolean isBf16(Tensor x) {
        return Tensors.isOf(x, ScalarType.BFloat16);
    }

    /** Returns whether a kernel can take the residual stream's rows. */
    private boolean fits(String kernel, Tensor x) {
        return isBf16()
                && launcher.has(kernel)
                && x.size(1) % VECTOR == 0
                && x.size(1) <= ROW_LIMIT
                && x.is_contiguous();
    }

    private static boolean isDense(Rows y) {
        return y.isPlain() && isBf16(y.values()) && y.values().is_contiguous();
    }

    static long blocks(long count, long block) {
        return (count + block - 1) / block;
    }
}
