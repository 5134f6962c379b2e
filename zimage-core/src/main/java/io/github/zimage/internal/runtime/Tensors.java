package io.github.zimage.internal.runtime;

import io.github.zimage.Precision;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The life of tensors: how they come from the Java heap, go back to it, and outlive a scope. */
public final class Tensors {
    private Tensors() {}

    /** Returns the type that a component of a precision computes in, for 8-bit integers that of all but the large products. */
    public static ScalarType scalarType(Precision precision) {
        return switch (precision) {
            case FP32 -> ScalarType.Float;
            case BF16, INT8, FP8 -> ScalarType.BFloat16;
        };
    }

    /**
     * Runs a computation in a scope of its own, so that its temporaries are freed when it returns. The result, which must be made
     * inside, moves to the scope around it.
     */
    public static Tensor scoped(Supplier<Tensor> computation) {
        Tensor result;
        try (PointerScope scope = new PointerScope()) {
            result = keep(computation.get());
        }
        PointerScope outer = PointerScope.getInnerScope();
        if (outer != null) {
            outer.attach(result);
            result.releaseReference();
        }
        return result;
    }

    /** As {@link #scoped}, for several results. */
    public static List<Tensor> allScoped(Supplier<List<Tensor>> computation) {
        List<Tensor> results;
        try (PointerScope scope = new PointerScope()) {
            results = computation.get();
            results.forEach(Tensors::keep);
        }
        PointerScope outer = PointerScope.getInnerScope();
        if (outer != null) {
            for (Tensor result : results) {
                outer.attach(result);
                result.releaseReference();
            }
        }
        return results;
    }

    /** Lets a pointer outlive the scope it was made in; whoever calls this closes it. */
    public static <P extends Pointer> P keep(P pointer) {
        pointer.retainReference();
        return pointer;
    }

    /** Lets the current scope, if there is one, use a tensor to its end, also if whoever {@linkplain #keep keeps} it closes it. */
    public static void useInScope(Tensor kept) {
        PointerScope scope = PointerScope.getInnerScope();
        if (scope != null) {
            scope.attach(kept);
        }
    }

    /** Returns a tensor on the CPU of a type with arbitrary content. */
    public static Tensor empty(ScalarType type, long... shape) {
        return TensorPlace.CPU.empty(type, shape);
    }

    /** Returns an FP32 tensor on the CPU with a copy of the values. */
    public static Tensor of(float[] values, long... shape) {
        return TensorPlace.CPU.of(values, shape);
    }

    /** Returns a tensor of bytes on the CPU with a copy of the values. */
    public static Tensor ofBytes(byte[] values, long... shape) {
        Tensor tensor = empty(ScalarType.Byte, shape);
        new BytePointer(tensor.data_ptr()).put(values);
        return tensor;
    }

    /** Returns the values of a tensor of any type, layout and place as FP32, row by row; waits for them. */
    public static float[] toFloats(Tensor tensor) {
        try (PointerScope scope = new PointerScope()) {
            Tensor dense = TensorPlace.CPU.take(tensor).to(ScalarType.Float).contiguous();
            float[] values = new float[Math.toIntExact(dense.numel())];
            new FloatPointer(dense.data_ptr()).get(values, 0, values.length);
            return values;
        }
    }

    /** Returns the values of a dense tensor of bytes, row by row. */
    public static byte[] toBytes(Tensor tensor) {
        try (PointerScope scope = new PointerScope()) {
            byte[] values = new byte[Math.toIntExact(tensor.numel())];
            new BytePointer(tensor.data_ptr()).get(values);
            return values;
        }
    }

    /** Returns whether a tensor is of a type. */
    public static boolean isOf(Tensor tensor, ScalarType type) {
        // JavaCPP makes a new object of the enum's class for every value that comes out of native code.
        return tensor.scalar_type().intern() == type.intern();
    }

    /** Returns the tensor in a type; itself if it is of that type. */
    public static Tensor cast(Tensor tensor, ScalarType type) {
        return isOf(tensor, type) ? tensor : tensor.to(type);
    }
}
