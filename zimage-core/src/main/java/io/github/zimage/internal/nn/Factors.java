package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** How kernels keep the factors of what adapters add to a layer. */
public class Factors {
    private final ScalarType type;
    private final @Nullable UnaryOperator<Tensor> turn;

    /**
     * Creates a way.
     *
     * @param type what products are computed in, FP32 or BF16
     * @param turn turns rows [n, in] fp32 as the layer's input comes turned; null if it does not
     */
    public Factors(ScalarType type, @Nullable UnaryOperator<Tensor> turn) {
        this.type = type;
        this.turn = turn;
    }

    /** Returns what products are computed in. */
    protected final ScalarType type() {
        return type;
    }

    final boolean turns() {
        return turn != null;
    }

    /** Returns rows [n, in] fp32 as the layer's input has them. */
    final Tensor turned(Tensor rows) {
        return turn == null ? rows : turn.apply(rows);
    }

    /**
     * Keeps first factors.
     *
     * @param adapters what is made belongs to it
     * @param rows for each layer [ranks, in] fp32, turned
     */
    public Down down(WeightStore adapters, List<Tensor> rows) {
        Tensor down = adapters.own(Tensors.cast(below(rows), type));
        return x -> new Rows(MatrixProduct.transposed(x.values(), down, null), x.scale());
    }

    /** Returns whether what is added may be rounded together with what a layer gave as soon as that is there. */
    boolean addAtOnce() {
        return false;
    }

    /**
     * Returns a second factor as it is multiplied by what {@link #down} gives for its layer.
     *
     * @param exact [out, ranks] fp32
     */
    public Tensor up(Tensor exact) {
        return Tensors.cast(exact, type);
    }

    /** Returns a tensor in FP32 where the adapters are. */
    static Tensor exactly(WeightStore adapters, String name) {
        return adapters.place().take(adapters.passing(name, ScalarType.Float));
    }

    /** Returns matrices one below the other. */
    protected static Tensor below(List<Tensor> matrices) {
        return matrices.size() == 1 ? matrices.get(0) : torch.cat(new TensorVector(matrices.toArray(Tensor[]::new)));
    }
}
