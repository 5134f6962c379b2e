package io.github.zimage.internal.nn;

import io.github.zimage.internal.lora.AdapterTensors;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * What adapters add to what a linear layer gives, computed beside it, so that the layer's weight stays as it is, whatever it is stored in.
 * Adding it to the weight instead would round most of it away: what an adapter changes is a hundredth of a weight, and BF16 holds two digits.
 */
public final class Addition {
    private final ScalarType type;
    /** [ranks, in] and [out, ranks] of the type. */
    private final @Nullable Pair lowRank;

    private final List<Pair> kronecker;
    /** [out, in] of the type. */
    private final @Nullable Tensor difference;
    /** [out] fp32: what is added to what the layer gives, times that. */
    private final @Nullable Tensor gain;
    /** [out] fp32. */
    private final @Nullable Tensor bias;

    /** Two factors. */
    private record Pair(Tensor first, Tensor second) {}

    private Addition(
            ScalarType type,
            @Nullable Pair lowRank,
            List<Pair> kronecker,
            @Nullable Tensor difference,
            @Nullable Tensor gain,
            @Nullable Tensor bias) {
        this.type = type;
        this.lowRank = lowRank;
        this.kronecker = kronecker;
        this.difference = difference;
        this.gain = gain;
        this.bias = bias;
    }

    /**
     * Takes what is added to a layer from a store, to which it belongs; returns null if nothing is.
     *
     * @param adapters named as {@link AdapterTensors} says
     * @param layer the layer's name, without {@code .weight}
     * @param type what the layer computes in, FP32 or BF16
     */
    public static @Nullable Addition load(WeightStore adapters, String layer, ScalarType type) {
        return load(adapters, layer, type, null);
    }

    /**
     * As the other one, for a layer whose input comes turned.
     *
     * @param turn turns rows [n, in] fp32 as the input's; null if they are not turned
     */
    public static @Nullable Addition load(
            WeightStore adapters, String layer, ScalarType type, @Nullable UnaryOperator<Tensor> turn) {
        Loader loader = new Loader(adapters, layer + ".weight", type, turn);
        Tensor gain = loader.get(AdapterTensors.gain(loader.matrix), ScalarType.Float);
        Tensor bias = loader.get(AdapterTensors.difference(layer + ".bias"), ScalarType.Float);
        Pair lowRank = loader.lowRank();
        List<Pair> kronecker = turn == null ? loader.kronecker() : List.of();
        Tensor difference = loader.difference();
        boolean nothing = gain == null && bias == null && lowRank == null && kronecker.isEmpty() && difference == null;
        return nothing ? null : new Addition(type, lowRank, kronecker, difference, gain, bias);
    }

    private record Loader(
            WeightStore adapters,
            String matrix,
            ScalarType type,
            @Nullable UnaryOperator<Tensor> turn) {

        @Nullable
        Tensor get(String name, ScalarType wanted) {
            return adapters.index().has(name) ? adapters.get(name, wanted) : null;
        }

        @Nullable
        Pair lowRank() {
            Tensor up = get(LowRank.up(matrix), type);
            return up == null ? null : new Pair(rows(LowRank.down(matrix)), up);
        }

        private Tensor rows(String name) {
            return turn == null ? adapters.get(name, type) : turned(exactly(name));
        }

        private Tensor exactly(String name) {
            return adapters.place().take(adapters.passing(name, ScalarType.Float));
        }

        private Tensor turned(Tensor rows) {
            if (turn == null) {
                throw new IllegalStateException("rows are not turned here");
            }
            return adapters.own(Tensors.cast(turn.apply(rows), type));
        }

        List<Pair> kronecker() {
            List<Pair> pairs = new ArrayList<>();
            for (int i = 0; adapters.index().has(AdapterTensors.left(matrix, i)); i++) {
                pairs.add(new Pair(
                        adapters.get(AdapterTensors.left(matrix, i), type),
                        adapters.get(AdapterTensors.right(matrix, i), type)));
            }
            return pairs;
        }

        /** A Kronecker product of which the rows are turned is none. */
        @Nullable
        Tensor difference() {
            String name = AdapterTensors.difference(matrix);
            if (turn == null) {
                return get(name, type);
            }
            try (PointerScope scope = new PointerScope()) {
                Tensor sum = adapters.index().has(name) ? exactly(name) : null;
                for (int i = 0; adapters.index().has(AdapterTensors.left(matrix, i)); i++) {
                    Tensor product = torch.kron(
                            exactly(AdapterTensors.left(matrix, i)), exactly(AdapterTensors.right(matrix, i)));
                    sum = sum == null ? product : sum.add(product);
                }
                return sum == null ? null : turned(sum);
            }
        }
    }

    /**
     * Returns what is added to a layer's product.
     *
     * @param x [S, in] of the layer's type, each row of which still has to be multiplied by its scale if it has one
     * @return [S, out] of the layer's type; null if that is nothing
     */
    @Nullable
    Tensor product(Rows x) {
        Tensor sum = null;
        if (lowRank != null) {
            sum = MatrixProduct.transposed(inner(lowRank.first(), x), lowRank.second(), null);
        }
        for (Pair each : kronecker) {
            sum = sum(sum, kronecker(each, scaled(x)));
        }
        if (difference != null) {
            sum = sum(sum, MatrixProduct.transposed(scaled(x), difference, null));
        }
        return sum;
    }

    private static Tensor sum(@Nullable Tensor sum, Tensor further) {
        if (sum == null) {
            return further;
        }
        sum.add_(further);
        return sum;
    }

    /** Returns the product with the first factor, [S, ranks]. */
    private static Tensor inner(Tensor down, Rows x) {
        Tensor inner = MatrixProduct.transposed(x.values(), down, null);
        if (x.scale() != null) {
            inner.mul_(x.scale());
        }
        return inner;
    }

    private Tensor scaled(Rows x) {
        return x.scale() == null ? x.values() : Tensors.cast(x.values().mul(x.scale()), type);
    }

    /** {@code kron(left, right) x}: right on each of the parts of x, left between them. */
    private static Tensor kronecker(Pair factors, Tensor x) {
        long parts = factors.first().size(1);
        Tensor within = MatrixProduct.transposed(
                        x.reshape(x.size(0) * parts, x.size(1) / parts), factors.second(), null) // [S * i, p]
                .view(x.size(0), parts, factors.second().size(0));
        return torch.matmul(factors.first(), within) // [o, i] [S, i, p] -> [S, o, p]
                .reshape(x.size(0), -1);
    }

    /** As the other one, for a layer without a bias. */
    public Rows onto(Rows y, Rows x) {
        return onto(y, x, null);
    }

    /**
     * Returns what a layer gave with what is added, in FP32. It may overwrite what the layer gave.
     *
     * @param y [S, out]
     * @param x what the layer took, as for {@link #product}
     * @param own the layer's bias, which is in y, or null
     */
    public Rows onto(Rows y, Rows x, @Nullable Tensor own) {
        return Rows.of(Tensors.scoped(() -> {
            Tensor sum = y.floats();
            if (gain != null) {
                sum = sum.add(
                        (own == null ? sum : sum.sub(own)).mul(gain)); // of the weight's rows, and not of the bias
            }
            Tensor product = product(x);
            if (product != null) {
                sum.add_(product);
            }
            if (bias != null) {
                sum.add_(bias);
            }
            return sum.alias();
        }));
    }

    /**
     * Returns {@code x W^T + b} with what is added, rounded once to the layer's type.
     *
     * @param x [S, in] of the layer's type
     * @param weight [out, in] of that type
     * @param own the layer's own bias
     */
    Tensor with(Tensor x, Tensor weight, @Nullable Tensor own) {
        return Tensors.scoped(() -> {
            Tensor product = gain == null ? product(Rows.of(x)) : null;
            if (product == null) {
                Rows y = Rows.of(MatrixProduct.transposed(x, weight, own));
                return Tensors.cast(onto(y, Rows.of(x), own).values(), type);
            }
            product.addmm_(x, weight.t());
            if (own != null) {
                product.add_(own);
            }
            if (bias != null) {
                product.add_(bias);
            }
            return product;
        });
    }

    /**
     * Adds to what a layer gave, in place.
     *
     * @param y [S, out] bf16, rows of which may lie further apart than they are long
     * @param x as for {@link #product}
     * @param own the layer's bias, which is in y, or null
     */
    public void addTo(Tensor y, Rows x, @Nullable Tensor own) {
        try (PointerScope scope = new PointerScope()) {
            if (lowRank != null && gain == null && kronecker.isEmpty() && difference == null) {
                y.addmm_(inner(lowRank.first(), x), lowRank.second().t());
                if (bias != null) {
                    y.add_(bias);
                }
            } else {
                y.copy_(onto(Rows.of(y), x, own).values());
            }
        }
    }

    /** Returns whether products can be computed before the layer's own are added to them. */
    boolean isSum() {
        return gain == null;
    }

    /**
     * Fills a place with what is added, but for what {@link #isSum} says.
     *
     * @param y [S, out] of the layer's type
     */
    void fill(Tensor y, Rows x) {
        try (PointerScope scope = new PointerScope()) {
            Tensor product = product(x);
            if (product == null) {
                y.zero_();
            } else {
                y.copy_(product);
            }
            if (bias != null) {
                y.add_(bias);
            }
        }
    }
}
