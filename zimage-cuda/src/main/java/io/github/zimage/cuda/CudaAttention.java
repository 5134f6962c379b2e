package io.github.zimage.cuda;

import io.github.zimage.internal.runtime.Operator;
import io.github.zimage.spi.Attention;
import java.util.List;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;

/**
 * An attention kernel for cards that LibTorch brings, called directly. It takes its operands in the order in memory that they have.
 *
 * @param name the name that selects it
 * @param operator the name of LibTorch's operator
 * @param arguments what the operator takes, over a batch of one
 */
record CudaAttention(String name, String operator, Arguments arguments) implements Attention {
    /** FlashAttention 2. */
    static final CudaAttention FLASH = new CudaAttention(
            "flash",
            "aten::_scaled_dot_product_flash_attention",
            (query, key, value, causal) -> List.of(query, key, value, number(0), flag(causal), flag(false), scale()));

    /** cuDNN's, made for Hopper and what came after it. */
    static final CudaAttention CUDNN = new CudaAttention(
            "cudnn",
            "aten::_scaled_dot_product_cudnn_attention",
            (query, key, value, causal) ->
                    List.of(query, key, value, none(), flag(false), number(0), flag(causal), flag(false), scale()));

    /** That of xFormers, which also takes FP32. */
    static final CudaAttention MEM_EFFICIENT = new CudaAttention(
            "mem_efficient",
            "aten::_scaled_dot_product_efficient_attention",
            (query, key, value, causal) ->
                    List.of(query, key, value, none(), flag(false), number(0), flag(causal), scale()));

    /** Matrix product, softmax, matrix product, with memory for all scores. */
    static final CudaAttention MATH = new CudaAttention(
            "math",
            "aten::_scaled_dot_product_attention_math",
            (query, key, value, causal) ->
                    List.of(query, key, value, none(), number(0), flag(causal), none(), scale(), flag(false)));

    static final List<CudaAttention> ALL = List.of(CUDNN, FLASH, MEM_EFFICIENT, MATH);

    /** Makes an operator's arguments, in the order of its schema, of operands [1, H, S, D]. */
    interface Arguments {
        List<IValue> of(IValue query, IValue key, IValue value, boolean causal);
    }

    private static IValue none() {
        return new IValue();
    }

    private static IValue flag(boolean value) {
        return new IValue(value);
    }

    private static IValue number(double value) {
        return new IValue(value);
    }

    /** Queries come scaled. */
    private static IValue scale() {
        return number(1);
    }

    @Override
    public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
        List<IValue> all = arguments.of(
                new IValue(query.unsqueeze(0)), new IValue(key.unsqueeze(0)), new IValue(value.unsqueeze(0)), causal);
        return Operator.find(operator, "").call(all.toArray(new IValue[0])).squeeze(0);
    }
}
