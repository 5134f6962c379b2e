package io.github.zimage.cuda;

import io.github.zimage.Precision;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Makes rows of 8-bit numbers, integers or floating-point ones (e4m3), each row counting in a unit of its own by which its largest
 * number becomes the largest there is. That is fused into the operation before it.
 */
final class EightBits {
    private static final long NARROW = 4096;
    private static final long WIDE = 16384;
    private static final long SWIGLU_WIDE = 8192 + 4096;
    private static final double SMALLEST = 1e-12;

    private final TensorPlace place;
    private final Launcher launcher;
    private final boolean integers;
    private final String kind;
    private final Map<Integer, HadamardRotation> rotations = new HashMap<>();

    EightBits(TensorPlace place, Precision precision, Launcher launcher) {
        this.place = place;
        this.launcher = launcher;
        integers = precision == Precision.INT8;
        kind = integers ? "int8" : "fp8";
    }

    TensorPlace place() {
        return place;
    }

    Launcher launcher() {
        return launcher;
    }

    /** Returns the rotation of rows of so many features. */
    HadamardRotation rotation(long features) {
        return rotations.computeIfAbsent(HadamardRotation.size(features), size -> new HadamardRotation(size, place));
    }

    /** Returns whether the numbers are integers. */
    boolean integers() {
        return integers;
    }

    ScalarType type() {
        return integers ? ScalarType.Char : ScalarType.Float8_e4m3fn;
    }

    private ArgumentType pointer() {
        return integers ? ArgumentType.I8_POINTER : ArgumentType.FP8_POINTER;
    }

    private Rows room(long rows, long features) {
        return new Rows(place.empty(type(), rows, features), place.empty(ScalarType.Float, rows, 1));
    }

    /** Rounds rows of any type without a kernel: for weights, and for sizes that the kernels are not for. */
    Rows round(Tensor x) {
        double limit = integers ? 127 : 448;
        Tensor floats = Tensors.cast(x, ScalarType.Float);
        Tensor unit = floats.abs()
                .amax(new long[] {1}, true)
                .clamp_min_(new Scalar(SMALLEST))
                .div_(new Scalar(limit));
        Tensor counted = floats.div(unit);
        if (integers) {
            counted.round_();
        } else {
            // A quotient can round to more than the largest number, which would become one that is not a number.
            counted.clamp_(new ScalarOptional(new Scalar(-limit)), new ScalarOptional(new Scalar(limit)));
        }
        return new Rows(counted.to(type()), unit);
    }

    /** Returns rounded rows in BF16, which holds all their numbers, each still counting in its unit. */
    static Rows widened(Rows x) {
        return new Rows(x.values().to(ScalarType.BFloat16), scale(x));
    }

    /** Rounds rows [S, features] bf16. */
    Rows rows(Tensor x) {
        long features = x.size(1);
        String kernel = (features > NARROW ? "quantise_wide_" : "quantise_") + kind;
        if (features > WIDE || !isVector(x) || !launcher.has(kernel)) {
            return round(x);
        }
        Rows result = room(x.size(0), features);
        launcher.launch(
                kernel,
                x.size(0),
                1,
                to -> to.pointer(ArgumentType.BF16_POINTER, x)
                        .pointer(pointer(), result.values())
                        .pointer(ArgumentType.FP32_POINTER, scale(result))
                        .integer(features)
                        .integer(x.stride(0)));
        return result;
    }

    /** Rounds {@code rms_norm(x) * scale}. */
    Rows normScale(Tensor x, Tensor scale, double eps) {
        String kernel = "norm_scale_quantise_" + kind;
        if (!norms(kernel, x)) {
            return round(Kernels.rmsNorm(x, scale, eps));
        }
        Rows result = room(x.size(0), x.size(1));
        launcher.launch(
                kernel,
                x.size(0),
                1,
                to -> to.pointer(ArgumentType.FP32_POINTER, x)
                        .pointer(ArgumentType.FP32_POINTER, scale)
                        .pointer(pointer(), result.values())
                        .pointer(ArgumentType.FP32_POINTER, scale(result))
                        .integer(x.size(1))
                        .real(eps));
        return result;
    }

    /** Returns whether {@link #addNormScaleNorm} can take rows of the residual stream. */
    boolean addsAndNorms(Tensor x) {
        return norms("add_norm_scale_norm_scale_quantise_" + kind, x);
    }

    private boolean norms(String kernel, Tensor x) {
        return x.size(1) <= NARROW && isVector(x) && x.is_contiguous() && launcher.has(kernel);
    }

    /** Adds {@code rms_norm(y) * scale} to x, in place, and rounds {@code rms_norm(x) * nextScale}. */
    Rows addNormScaleNorm(Tensor x, Tensor y, Tensor scale, Tensor nextScale, double eps) {
        Rows result = room(x.size(0), x.size(1));
        launcher.launch(
                "add_norm_scale_norm_scale_quantise_" + kind,
                x.size(0),
                1,
                to -> to.pointer(ArgumentType.FP32_POINTER, x)
                        .pointer(ArgumentType.BF16_POINTER, y)
                        .pointer(ArgumentType.FP32_POINTER, scale)
                        .pointer(ArgumentType.FP32_POINTER, nextScale)
                        .pointer(pointer(), result.values())
                        .pointer(ArgumentType.FP32_POINTER, scale(result))
                        .integer(x.size(1))
                        .real(eps));
        return result;
    }

    /**
     * Rounds {@code silu(gate) * up}, where a few numbers are many times the typical one: floating-point numbers can hold both,
     * integers only after a rotation.
     */
    Rows swiglu(Tensor gate, Tensor up) {
        long features = gate.size(1);
        boolean vectors = isVector(gate) && isVector(up) && gate.stride(0) == up.stride(0);
        if (integers || features > SWIGLU_WIDE || !vectors || !launcher.has("swiglu_quantise_fp8")) {
            Tensor product = vectors && launcher.has("swiglu")
                    ? CudaKernels.swiglu(launcher, place, gate, up)
                    : torch.silu(gate).mul_(up);
            return afterSwiglu(product);
        }
        Rows result = room(gate.size(0), features);
        launcher.launch(
                "swiglu_quantise_fp8",
                gate.size(0),
                1,
                to -> to.pointer(ArgumentType.BF16_POINTER, gate)
                        .pointer(ArgumentType.BF16_POINTER, up)
                        .pointer(ArgumentType.FP8_POINTER, result.values())
                        .pointer(ArgumentType.FP32_POINTER, scale(result))
                        .integer(features)
                        .integer(gate.stride(0)));
        return result;
    }

    /** Rounds what {@link #swiglu} computes, [S, features] bf16. */
    Rows afterSwiglu(Tensor product) {
        return rows(integers ? rotation(product.size(1)).turn(product) : product);
    }

    private static boolean isVector(Tensor x) {
        return x.size(1) % CudaKernels.VECTOR == 0 && x.stride(0) % CudaKernels.VECTOR == 0 && x.stride(1) == 1;
    }

    /** Returns the units of rows that have some. */
    static Tensor scale(Rows rows) {
        Tensor scale = rows.scale();
        if (scale == null) {
            throw new IllegalArgumentException("rows for layers of 8-bit numbers must have units");
        }
        return scale;
    }
}
