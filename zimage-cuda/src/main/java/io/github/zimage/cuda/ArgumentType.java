package io.github.zimage.cuda;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What a kernel takes as an argument. */
enum ArgumentType {
    /** Also to complex numbers, as pairs. */
    FP32_POINTER("*fp32", "u64", ScalarType.Float),
    BF16_POINTER("*bf16", "u64", ScalarType.BFloat16),
    I32_POINTER("*i32", "u64", ScalarType.Int),
    I8_POINTER("*i8", "u64", ScalarType.Char),
    FP8_POINTER("*fp8e4nv", "u64", ScalarType.Float8_e4m3fn),
    I32("i32", "u32", ScalarType.Undefined),
    FP32("fp32", "f32", ScalarType.Undefined);

    private final String triton;
    private final String ptx;
    private final ScalarType tensors;

    ArgumentType(String triton, String ptx, ScalarType tensors) {
        this.triton = triton;
        this.ptx = ptx;
        this.tensors = tensors;
    }

    static ArgumentType of(String triton) {
        for (ArgumentType type : values()) {
            if (type.triton.equals(triton)) {
                return type;
            }
        }
        throw new IllegalArgumentException("no kernel takes a " + triton);
    }

    /** The type of the parameter in PTX. */
    String ptx() {
        return ptx;
    }

    /** Returns whether it is a pointer to what a tensor holds. */
    boolean isOf(Tensor tensor) {
        ScalarType found = tensor.scalar_type().intern();
        return found == tensors || (this == FP32_POINTER && found == ScalarType.ComplexFloat);
    }
}
