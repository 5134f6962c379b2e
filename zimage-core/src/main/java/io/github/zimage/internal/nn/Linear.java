package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** A linear layer: {@code y = x W^T + b}. */
public final class Linear implements Projection {
    private final Tensor weight;
    private final @Nullable Tensor bias;

    private Linear(Tensor weight, @Nullable Tensor bias) {
        this.weight = weight;
        this.bias = bias;
    }

    /**
     * Takes the layer's weights from a store.
     *
     * @param name the layer's name, without {@code .weight}
     * @param type the type the layer computes in
     */
    public static Linear load(TensorSource weights, String name, boolean bias, ScalarType type) {
        return new Linear(weights.get(name + ".weight", type), bias ? weights.get(name + ".bias", type) : null);
    }

    /**
     * Applies the layer.
     *
     * @param x [..., in], of any type
     * @return [..., out], of the layer's type
     */
    public Tensor forward(Tensor x) {
        return forward(x, null);
    }

    /**
     * Applies the layer with what adapters add to it.
     *
     * @param x [S, in], of any type
     * @param addition of the layer's type, or null
     * @return [S, out], of the layer's type
     */
    public Tensor forward(Tensor x, @Nullable Addition addition) {
        Addition.Part added =
                addition == null ? null : addition.parts(Rows.of(input(x))).get(0);
        if (added == null) {
            return MatrixProduct.transposed(input(x), weight, bias);
        }
        Rows sum = forward(Rows.of(x), added);
        return Tensors.cast(sum.isPlain() ? sum.values() : sum.floats(), weight.scalar_type());
    }

    private Tensor input(Tensor x) {
        return Tensors.cast(x, weight.scalar_type());
    }

    @Override
    public Rows forward(Rows x) {
        return Rows.of(forward(x.values(), null));
    }

    @Override
    public @Nullable Tensor bias() {
        return bias;
    }

    @Override
    public Rows forward(Rows x, Addition.Part added) {
        Tensor input = input(x.values());
        Rows result = added.beneath(Rows.of(input), product -> sum(product, input));
        return result == null ? Projection.super.forward(Rows.of(input), added) : result;
    }

    private Tensor sum(Tensor product, Tensor input) {
        Tensor sum = product.addmm_(input, weight.t());
        return bias == null ? sum : sum.add_(bias);
    }
}
