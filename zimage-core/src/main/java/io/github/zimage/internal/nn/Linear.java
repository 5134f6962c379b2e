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
        Tensor input = Tensors.cast(x, weight.scalar_type());
        return addition == null ? MatrixProduct.transposed(input, weight, bias) : addition.with(input, weight, bias);
    }

    @Override
    public Rows forward(Rows x) {
        return Rows.of(forward(x.values()));
    }

    @Override
    public Projection with(@Nullable Addition addition) {
        return addition == null ? this : x -> Rows.of(forward(x.values(), addition));
    }
}
