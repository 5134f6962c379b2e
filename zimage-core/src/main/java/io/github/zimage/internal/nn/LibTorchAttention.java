package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Operator;
import io.github.zimage.spi.Attention;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * An attention kernel that LibTorch brings.
 *
 * @param name the name that selects it
 * @param kernel the kernel, over a batch of one
 */
record LibTorchAttention(String name, Kernel kernel) implements Attention {
    static final LibTorchAttention SDPA = new LibTorchAttention("sdpa", LibTorchAttention::sdpa);
    static final LibTorchAttention FLASH = new LibTorchAttention("flash", LibTorchAttention::flash);
    static final LibTorchAttention MATH = new LibTorchAttention("math", LibTorchAttention::math);

    /** Attention over [1, H, S, D]. */
    interface Kernel {
        Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal);
    }

    @Override
    public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
        return kernel.attend(query.unsqueeze(0), key.unsqueeze(0), value.unsqueeze(0), causal)
                .squeeze(0);
    }

    private static Tensor sdpa(Tensor query, Tensor key, Tensor value, boolean causal) {
        return torch.scaled_dot_product_attention(
                query, key, value, new TensorOptional(), 0, causal, new DoubleOptional(1), false);
    }

    private static Tensor flash(Tensor query, Tensor key, Tensor value, boolean causal) {
        IValue noMask = new IValue();
        return Operator.find("aten::_scaled_dot_product_flash_attention_for_cpu", "")
                .call(
                        new IValue(query),
                        new IValue(key),
                        new IValue(value),
                        new IValue(0.0),
                        new IValue(causal),
                        noMask,
                        new IValue(1.0));
    }

    private static Tensor math(Tensor query, Tensor key, Tensor value, boolean causal) {
        IValue none = new IValue();
        return Operator.find("aten::_scaled_dot_product_attention_math", "")
                .call(
                        new IValue(query),
                        new IValue(key),
                        new IValue(value),
                        none,
                        new IValue(0.0),
                        new IValue(causal),
                        none,
                        new IValue(1.0),
                        new IValue(false));
    }
}
