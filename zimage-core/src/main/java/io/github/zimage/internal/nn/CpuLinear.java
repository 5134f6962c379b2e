package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** A large linear layer in FP32 or BF16, computed in the way that is fastest on this processor. */
final class CpuLinear implements Projection {
    private final LinearMethod method;
    private final ScalarType type;
    private final Tensor weight;
    private final @Nullable Tensor bias;

    /**
     * Creates a layer.
     *
     * @param weight as the method takes it
     */
    CpuLinear(LinearMethod method, ScalarType type, Tensor weight, @Nullable Tensor bias) {
        this.method = method;
        this.type = type;
        this.weight = weight;
        this.bias = bias;
    }

    /**
     * Takes the layer's weights from a source, to which they belong. One that is packed is read into memory of its own instead of mapped.
     *
     * @param name the layer's name, without {@code .weight}
     * @param type the type the layer computes in
     */
    static CpuLinear load(TensorSource weights, String name, boolean bias, ScalarType type) {
        String matrix = name + ".weight";
        long out = weights.shape(matrix).get(0);
        long in = weights.shape(matrix).get(1);
        Tensor added = bias ? weights.get(name + ".bias", type) : null;
        if (weights.isPacked()) {
            LinearMethod method = LinearSelector.select(type, in, out, true);
            if (method == LinearMethod.PACKED) {
                try (PointerScope scope = new PointerScope()) {
                    return new CpuLinear(
                            method, type, weights.own(method.packed(weights.passing(matrix, type))), added);
                }
            }
        }
        return new CpuLinear(LinearSelector.select(type, in, out, false), type, weights.get(matrix, type), added);
    }

    @Override
    public Rows forward(Rows x) {
        return Rows.of(method.transposed(Tensors.cast(x.values(), type), weight, bias));
    }

    @Override
    public @Nullable Tensor bias() {
        return bias;
    }

    @Override
    public Rows forward(Rows x, Addition.Part added) {
        Rows input = Rows.of(Tensors.cast(x.values(), type));
        Rows result = added.beneath(input, product -> method.sum(product, input.values(), weight, bias));
        return result == null ? Projection.super.forward(x, added) : result;
    }
}
