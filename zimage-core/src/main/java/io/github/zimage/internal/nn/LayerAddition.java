package io.github.zimage.internal.nn;

import io.github.zimage.internal.lora.AdapterTensors;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * What is added to one layer, but for the first factor, which several layers have together.
 *
 * @param addAtOnce as {@link Factors#addAtOnce} says
 * @param up the second factor, [out, ranks], or null
 * @param kronecker pairs of factors
 * @param difference [out, in]
 * @param gain [out] fp32: what is added to what the layer gives, times that
 * @param bias [out] fp32
 */
record LayerAddition(
        ScalarType type,
        boolean addAtOnce,
        @Nullable Tensor up,
        List<Pair> kronecker,
        @Nullable Tensor difference,
        @Nullable Tensor gain,
        @Nullable Tensor bias) {

    /** Two factors. */
    record Pair(Tensor first, Tensor second) {}

    /** Takes what is added to a layer from a store, to which it belongs; returns null if that is nothing. */
    static @Nullable LayerAddition load(WeightStore adapters, String layer, Factors factors) {
        Loader loader = new Loader(adapters, layer + ".weight", factors);
        LayerAddition all = new LayerAddition(
                factors.type(),
                factors.addAtOnce(),
                loader.up(),
                factors.turns() ? List.of() : loader.kronecker(),
                loader.difference(),
                loader.get(AdapterTensors.gain(layer + ".weight"), ScalarType.Float),
                loader.get(AdapterTensors.difference(layer + ".bias"), ScalarType.Float));
        boolean nothing = all.ranks() == 0 && all.bias == null && all.gain == null && !all.hasMatrices();
        return nothing ? null : all;
    }

    private record Loader(WeightStore adapters, String matrix, Factors factors) {

        @Nullable
        Tensor get(String name, ScalarType wanted) {
            return adapters.index().has(name) ? adapters.get(name, wanted) : null;
        }

        @Nullable
        Tensor up() {
            String name = LowRank.up(matrix);
            return adapters.index().has(name) ? adapters.own(factors.up(Factors.exactly(adapters, name))) : null;
        }

        List<Pair> kronecker() {
            List<Pair> pairs = new ArrayList<>();
            for (int i = 0; adapters.index().has(AdapterTensors.left(matrix, i)); i++) {
                pairs.add(new Pair(
                        adapters.get(AdapterTensors.left(matrix, i), factors.type()),
                        adapters.get(AdapterTensors.right(matrix, i), factors.type())));
            }
            return pairs;
        }

        /** A Kronecker product of which the rows are turned is none. */
        @Nullable
        Tensor difference() {
            String name = AdapterTensors.difference(matrix);
            if (!factors.turns()) {
                return get(name, factors.type());
            }
            Tensor sum = adapters.index().has(name) ? Factors.exactly(adapters, name) : null;
            for (int i = 0; adapters.index().has(AdapterTensors.left(matrix, i)); i++) {
                Tensor product = torch.kron(
                        Factors.exactly(adapters, AdapterTensors.left(matrix, i)),
                        Factors.exactly(adapters, AdapterTensors.right(matrix, i)));
                sum = sum == null ? product : sum.add(product);
            }
            return sum == null ? null : adapters.own(Tensors.cast(factors.turned(sum), factors.type()));
        }
    }

    /** Returns how many of the columns that the first factors give are this layer's. */
    long ranks() {
        return up == null ? 0 : up.size(1);
    }

    /** Returns whether {@link #product} gives anything. */
    boolean hasProduct() {
        return up != null || hasMatrices();
    }

    private boolean hasMatrices() {
        return difference != null || !kronecker.isEmpty();
    }

    /**
     * Returns what is added to a layer's product.
     *
     * @param inner what the first factor gave, [S, ranks], or null
     * @param x [S, in] of the layer's type, each row of which still has to be multiplied by its scale if it has one
     * @return [S, out] of the layer's type; null if that is nothing
     */
    @Nullable
    Tensor product(@Nullable Rows inner, Supplier<Rows> x) {
        Tensor sum = inner == null || up == null ? null : MatrixProduct.transposed(scaled(inner), up, null);
        if (!hasMatrices()) {
            return sum;
        }
        Tensor rows = scaled(x.get());
        for (Pair each : kronecker) {
            sum = sum(sum, kronecker(each, rows));
        }
        return difference == null ? sum : sum(sum, MatrixProduct.transposed(rows, difference, null));
    }

    private Tensor scaled(Rows rows) {
        return rows.scale() == null ? rows.values() : Tensors.cast(rows.values().mul(rows.scale()), type);
    }

    private static Tensor sum(@Nullable Tensor sum, Tensor further) {
        return sum == null ? further : sum.add_(further);
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

    /**
     * Returns what a layer gave with what is added: two narrow matrices whose product its reader adds, or the sum in FP32. It may overwrite what
     * the layer gave.
     *
     * @param y [S, out]
     * @param own the layer's bias, which is in y, or null
     */
    Rows onto(Rows y, @Nullable Rows inner, Supplier<Rows> x, @Nullable Tensor own) {
        if (inner != null && up != null && !hasMatrices() && gain == null && bias == null) {
            return lowRank(y, inner, up);
        }
        return Rows.of(Tensors.scoped(() -> {
            Tensor sum = y.floats();
            if (gain != null) {
                // of the weight's rows, and not of the bias
                sum = sum.add((own == null ? sum : sum.sub(own)).mul(gain));
            }
            Tensor product = product(inner, x);
            if (product != null) {
                sum.add_(product);
            }
            if (bias != null) {
                sum.add_(bias);
            }
            return sum.alias();
        }));
    }

    private Rows lowRank(Rows y, Rows inner, Tensor second) {
        boolean together = Objects.equals(y.scale(), inner.scale());
        Rows.Added product = new Rows.Added(together ? inner.values() : scaled(inner), second);
        if (addAtOnce && together && Tensors.isOf(y.values(), type)) {
            product.addTo(y.values());
            return y;
        }
        return (together || y.scale() == null ? y : Rows.of(y.floats())).adding(product);
    }
}
