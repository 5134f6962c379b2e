package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Operator;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Products of 8-bit integers with a transposed matrix, by oneDNN.
 *
 * <p>Left operands are unsigned, with 128 for zero: oneDNN computes signed ones by a reference kernel, thousands of times slower,
 * where the processor has no instruction for them.
 */
final class Int8Product {
    /** What stands for zero in a left operand. */
    static final int ZERO_POINT = 128;

    private static final Int8Product INSTANCE = new Int8Product();

    private final Operator pack;
    private final Operator multiply;
    private final Operator copy;
    private final Operator transpose;
    private final IValue none;
    private final IValue one;
    private final IValue zero;
    private final IValue zeroPoint;
    private final IValue identity;
    private final IValue noScalars;
    private final IValue noAlgorithm;

    private Int8Product() {
        try (PointerScope scope = new PointerScope()) {
            pack = Operator.find("onednn::qlinear_prepack", "");
            multiply = Operator.find("onednn::qlinear_pointwise", "");
            copy = Operator.find("aten::to_mkldnn", "");
            transpose = Operator.find("aten::_mkldnn_transpose", "");
            none = Tensors.keep(new IValue());
            one = Tensors.keep(new IValue(1.0));
            zero = Tensors.keep(new IValue(0L));
            zeroPoint = Tensors.keep(new IValue((long) ZERO_POINT));
            identity = Tensors.keep(new IValue("none"));
            noScalars = Tensors.keep(new IValue(new GenericList(multiply.listElementType(11))));
            noAlgorithm = Tensors.keep(new IValue(""));
        }
    }

    /**
     * Lays a matrix out as the processor's instructions want it.
     *
     * @param weight [out, in] int8
     * @return an opaque tensor
     */
    static Tensor pack(Tensor weight) {
        return INSTANCE.pack.call(new IValue(weight), INSTANCE.none);
    }

    /**
     * Copies a matrix column by column. Products with it take a tenth longer than with a packed one, with few rows a third; the copy takes a
     * third of the time of packing.
     *
     * @param weight [out, in] int8
     * @return an opaque tensor
     */
    static Tensor unpacked(Tensor weight) {
        Int8Product p = INSTANCE;
        Tensor copy = p.copy.call(new IValue(weight), p.none);
        return p.transpose.call(new IValue(copy), p.zero, new IValue(1L));
    }

    /**
     * Returns {@code (x - 128) W^T}, each column of it times its scale.
     *
     * @param x [S, in] uint8
     * @param weight [out, in], {@linkplain #pack packed} or {@linkplain #unpacked not}
     * @param scale [out] fp32
     * @param zeros [out] int32, all 0
     * @param type the result's type, FP32 or BF16
     * @return [S, out]
     */
    static Tensor transposed(Tensor x, Tensor weight, Tensor scale, Tensor zeros, ScalarType type) {
        Int8Product p = INSTANCE;
        return p.multiply.call(
                new IValue(x),
                p.one,
                p.zeroPoint,
                new IValue(weight),
                new IValue(scale),
                new IValue(zeros),
                p.none,
                p.one,
                p.zero,
                new IValue(type),
                p.identity,
                p.noScalars,
                p.noAlgorithm);
    }

    /**
     * Returns whether the largest numbers there are multiply as they should. Processors without the right instructions add pairs of
     * products in 16 bits, which overflow.
     *
     * @throws RuntimeException if LibTorch has no such products for the processor
     */
    static boolean isExact() {
        long rows = 16;
        long in = 256;
        long out = 64;
        try (PointerScope scope = new PointerScope()) {
            TensorOptions bytes = new TensorOptions(ScalarType.Byte);
            Tensor x = torch.full(new long[] {rows, in}, new Scalar(255), bytes);
            Tensor weight = torch.full(new long[] {out, in}, new Scalar(127), new TensorOptions(ScalarType.Char));
            Tensor result = transposed(
                    x,
                    pack(weight),
                    torch.ones(out),
                    torch.zeros(new long[] {out}, new TensorOptions(ScalarType.Int)),
                    ScalarType.Float);
            return result.eq(new Scalar(127.0 * 127 * in)).all().item_bool();
        }
    }
}
