package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Products with a transposed matrix that is not one of the large weights, {@code x W^T + b}.
 *
 * <p>LibTorch sends BF16 products to oneDNN and FP32 ones to the BLAS it was built with, which for the presets is an OpenBLAS whose
 * threads fight with LibTorch's own. So FP32 products go to oneDNN too, where LibTorch has it.
 */
final class MatrixProduct {
    private MatrixProduct() {}

    /** What is taken on the processor for FP32. */
    private static final class Fp32 {
        static final LinearMethod METHOD =
                LinearMethod.available(ScalarType.Float).get(0);
    }

    /**
     * Returns {@code x W^T + b}.
     *
     * @param x [..., in] fp32 or bf16
     * @param weight [out, in] of x's type
     * @param bias [out] of x's type, or null
     * @return [..., out] of x's type
     */
    static Tensor transposed(Tensor x, Tensor weight, @Nullable Tensor bias) {
        LinearMethod method = Tensors.isOf(x, ScalarType.Float) && x.is_cpu() ? Fp32.METHOD : LinearMethod.ATEN;
        return method.transposed(x, weight, bias);
    }
}
