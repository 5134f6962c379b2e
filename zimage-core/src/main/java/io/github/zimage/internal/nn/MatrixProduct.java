package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Operator;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Products with a transposed matrix, {@code x W^T + b}.
 *
 * <p>LibTorch sends BF16 products to oneDNN and FP32 ones to the BLAS it was built with, which for the presets is an OpenBLAS whose
 * threads fight with LibTorch's own. So FP32 products go to oneDNN too, where LibTorch has it.
 */
final class MatrixProduct {
    private MatrixProduct() {}

    /**
     * Returns {@code x W^T + b}.
     *
     * @param x [..., in] fp32 or bf16
     * @param weight [out, in] of x's type
     * @param bias [out] of x's type, or null
     * @return [..., out] of x's type
     */
    static Tensor transposed(Tensor x, Tensor weight, @Nullable Tensor bias) {
        OneDnn oneDnn = Tensors.isOf(x, ScalarType.Float) && x.is_cpu() ? OneDnn.INSTANCE : null;
        if (oneDnn != null) {
            return oneDnn.linear(x, weight, bias);
        }
        return bias == null ? torch.linear(x, weight) : torch.linear(x, weight, new TensorOptional(bias));
    }

    /** oneDNN's linear operator, which has no Java binding. */
    private static final class OneDnn {
        static final @Nullable OneDnn INSTANCE = find();

        private final Operator operator;
        private final IValue none;
        private final IValue identity;
        private final IValue noScalars;

        private OneDnn() {
            operator = Operator.find("mkldnn::_linear_pointwise", "");
            none = Tensors.keep(new IValue());
            identity = Tensors.keep(new IValue("none"));
            noScalars = Tensors.keep(new IValue(new GenericList(operator.listElementType(4))));
        }

        private static @Nullable OneDnn find() {
            try (PointerScope scope = new PointerScope()) {
                OneDnn candidate = new OneDnn();
                candidate.linear(torch.zeros(2, 2), torch.zeros(2, 2), null);
                return candidate;
            } catch (RuntimeException e) {
                return null;
            }
        }

        Tensor linear(Tensor x, Tensor weight, @Nullable Tensor bias) {
            return operator.call(
                    new IValue(x),
                    new IValue(weight),
                    bias == null ? none : new IValue(bias),
                    identity,
                    noScalars,
                    none);
        }
    }
}
