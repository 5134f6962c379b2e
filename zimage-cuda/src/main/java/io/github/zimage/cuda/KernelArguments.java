package io.github.zimage.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.bytedeco.pytorch.Tensor;

/**
 * The arguments of one launch, in native memory as the driver takes them: eight bytes each. Checks each against the manifest, because
 * a kernel that is launched with wrong ones corrupts memory without a word. Is filled anew for each launch, by one thread.
 */
final class KernelArguments {
    /** Bytes between one argument and the next. */
    static final int STRIDE = Long.BYTES;

    private static final int ALIGNMENT = 16;

    private final Kernel kernel;
    private final ByteBuffer values;
    private int next;

    KernelArguments(Kernel kernel) {
        this.kernel = kernel;
        int count = kernel.arguments().size() + Kernel.SCRATCH_POINTERS;
        values = ByteBuffer.allocateDirect(count * STRIDE).order(ByteOrder.nativeOrder());
    }

    /** Starts again with the first argument. */
    KernelArguments clear() {
        next = 0;
        return this;
    }

    /** Passes a pointer to elements of a type. */
    KernelArguments pointer(ArgumentType type, long address) {
        return put(type, address, address);
    }

    /** Passes a pointer to the first element of a tensor. */
    KernelArguments pointer(ArgumentType type, Tensor tensor) {
        if (!type.isOf(tensor)) {
            throw new IllegalArgumentException("%s: argument %d must be %s but was %s"
                    .formatted(kernel.name(), next, type, tensor.scalar_type().intern()));
        }
        return pointer(type, tensor.data_ptr().address());
    }

    /** Passes an integer. */
    KernelArguments integer(long value) {
        if (value != (int) value) {
            throw new IllegalArgumentException(
                    "%s: argument %d must fit 32 bits but was %d".formatted(kernel.name(), next, value));
        }
        return put(ArgumentType.I32, value, value);
    }

    /** Passes a fraction. */
    KernelArguments real(double value) {
        return put(ArgumentType.FP32, Float.floatToRawIntBits((float) value), 0);
    }

    private KernelArguments put(ArgumentType type, long bits, long multiple) {
        if (next == kernel.arguments().size()) {
            throw new IllegalArgumentException("%s takes %d arguments, not more"
                    .formatted(kernel.name(), kernel.arguments().size()));
        }
        Kernel.Argument argument = kernel.arguments().get(next);
        if (argument.type() != type) {
            throw new IllegalArgumentException("%s: argument %d, %s, must be %s but was %s"
                    .formatted(kernel.name(), next, argument.name(), argument.type(), type));
        }
        if (argument.aligned() && multiple % ALIGNMENT != 0) {
            throw new IllegalArgumentException("%s: argument %d, %s, must be a multiple of %d but was %d"
                    .formatted(kernel.name(), next, argument.name(), ALIGNMENT, multiple));
        }
        values.putLong(next * STRIDE, bits);
        next++;
        return this;
    }

    /** Returns how many the launch passes, with the pointers to scratch. */
    int count() {
        return kernel.arguments().size() + Kernel.SCRATCH_POINTERS;
    }

    /** Returns the memory that holds the arguments, always the same. */
    ByteBuffer values() {
        return values;
    }

    /** Returns the arguments, of which there must be as many as the kernel takes. */
    ByteBuffer complete() {
        if (next != kernel.arguments().size()) {
            throw new IllegalArgumentException("%s takes %d arguments but was given %d"
                    .formatted(kernel.name(), kernel.arguments().size(), next));
        }
        return values;
    }
}
