package io.github.zimage.internal.nn;

import io.github.zimage.internal.lora.AdapterTensors;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * What adapters add to what a linear layer gives, or several layers that take the same rows, computed beside it, so that the layers' weights stay
 * as they are, whatever they are stored in. Adding it to a weight instead would round most of it away: what an adapter changes is a hundredth of a
 * weight, and BF16 holds two digits.
 */
public final class Addition {
    private final List<@Nullable LayerAddition> layers;
    private final @Nullable Down down;

    private Addition(List<@Nullable LayerAddition> layers, @Nullable Down down) {
        this.layers = layers;
        this.down = down;
    }

    /** As the other one, for one layer whose factors are kept as they are. */
    public static @Nullable Addition load(WeightStore adapters, String layer, ScalarType type) {
        return load(adapters, List.of(layer), new Factors(type, null));
    }

    /**
     * Takes what is added to layers from a store, to which it belongs; returns null if nothing is.
     *
     * @param adapters named as {@link AdapterTensors} says
     * @param layers the layers' names, without {@code .weight}
     */
    public static @Nullable Addition load(WeightStore adapters, List<String> layers, Factors factors) {
        try (PointerScope scope = new PointerScope()) {
            List<@Nullable LayerAddition> loaded = new ArrayList<>();
            List<Tensor> downs = new ArrayList<>();
            for (String layer : layers) {
                LayerAddition each = LayerAddition.load(adapters, layer, factors);
                loaded.add(each);
                if (each != null && each.ranks() > 0) {
                    downs.add(factors.turned(Factors.exactly(adapters, LowRank.down(layer + ".weight"))));
                }
            }
            Down down = downs.isEmpty() ? null : factors.down(adapters, downs);
            return loaded.stream().allMatch(Objects::isNull) ? null : new Addition(loaded, down);
        }
    }

    /**
     * Computes what is common to all layers; returns for each what is added to it for these rows, or null.
     *
     * @param x what the layers take
     */
    public List<@Nullable Part> parts(Rows x) {
        Rows inner = down == null ? null : down.product(x);
        List<@Nullable Part> parts = new ArrayList<>();
        long first = 0;
        for (LayerAddition layer : layers) {
            long ranks = layer == null ? 0 : layer.ranks();
            Rows own = inner == null || ranks == 0
                    ? null
                    : new Rows(inner.values().narrow(1, first, ranks), inner.scale());
            parts.add(layer == null ? null : new Part(layer, own));
            first += ranks;
        }
        return parts;
    }

    /** What is added to one layer for some rows. */
    public static final class Part {
        private final LayerAddition layer;
        private final @Nullable Rows inner;

        private Part(LayerAddition layer, @Nullable Rows inner) {
            this.layer = layer;
            this.inner = inner;
        }

        /**
         * Returns what the layer gave with what is added, for its reader to add, or in FP32. It may overwrite what it gave.
         *
         * @param y [S, out]
         * @param wide the layer's input in its type, each row of which still has to be multiplied by its scale if it has one
         * @param own the layer's bias, which is in y, or null
         */
        public Rows onto(Rows y, Supplier<Rows> wide, @Nullable Tensor own) {
            return layer.onto(y, inner, wide, own);
        }

        /**
         * Returns the sum of what is added and of what the layer gives, if it can be computed in that order; else null.
         *
         * @param x the layer's input in its type
         * @param sum adds what the layer gives to [S, out] of its type, which it may overwrite
         */
        @Nullable
        Rows beneath(Rows x, UnaryOperator<Tensor> sum) {
            return layer.gain() == null && layer.hasProduct() ? Rows.of(Tensors.scoped(() -> sum(x, sum))) : null;
        }

        private Tensor sum(Rows x, UnaryOperator<Tensor> sum) {
            Tensor all = sum.apply(Objects.requireNonNull(layer.product(inner, () -> x), "a layer without a product"));
            return layer.bias() == null ? all : all.add_(layer.bias());
        }
    }
}
