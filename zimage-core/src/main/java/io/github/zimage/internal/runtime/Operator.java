package io.github.zimage.internal.runtime;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.Type;

/** An operator of LibTorch that has no Java binding, found by its name in the dispatcher. */
public final class Operator {
    private static final ConcurrentMap<String, Operator> CACHE = new ConcurrentHashMap<>();

    private final OperatorHandle handle;

    private Operator(OperatorHandle handle) {
        this.handle = handle;
    }

    /**
     * Finds an operator by name, such as {@code aten::_scaled_dot_product_flash_attention_for_cpu}.
     *
     * @throws RuntimeException if LibTorch has none of that name
     */
    public static Operator find(String name, String overload) {
        return CACHE.computeIfAbsent(name + "." + overload, key -> {
            OperatorHandle found = Dispatcher.singleton().findSchemaOrThrow(name, overload);
            return new Operator(Tensors.keep(found));
        });
    }

    /** Returns the type of the elements of an argument that is a list, which a list passed for it must have. */
    public Type.TypePtr listElementType(int argument) {
        return handle.schema().arguments().getPointer(argument).type().get().containedType(0);
    }

    /** Calls the operator and returns its first result. The arguments are in the order of its schema. */
    public Tensor call(IValue... arguments) {
        return Tensors.scoped(() -> {
            IValueVector stack = new IValueVector(arguments);
            handle.callBoxed(stack);
            // What toTensor returns lies within the stack and goes with it.
            return new Tensor(stack.get(0).toTensor());
        });
    }
}
