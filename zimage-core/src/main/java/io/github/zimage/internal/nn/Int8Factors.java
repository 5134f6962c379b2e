package io.github.zimage.internal.nn;

import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Factors for rows of 8-bit integers: the first ones are sums of two matrices of such integers, the second of which holds what rounding left of the
 * first, so that rows need not be widened, and less is lost than by BF16.
 */
final class Int8Factors extends Factors {
    Int8Factors(@Nullable UnaryOperator<Tensor> turn) {
        super(ScalarType.BFloat16, turn);
    }

    @Override
    public Down down(WeightStore adapters, List<Tensor> rows) {
        Tensor exact = below(rows);
        long ranks = exact.size(0);
        Tensor coarseUnit = unit(exact);
        Tensor coarse = exact.div(coarseUnit).round_();
        Tensor left = exact.sub(coarse.mul(coarseUnit));
        Tensor fineUnit = unit(left);
        Tensor both = below(List.of(coarse, left.div(fineUnit).round_())).to(ScalarType.Char);
        Tensor packed = adapters.own(Int8Product.pack(both));
        Tensor units = adapters.own(below(List.of(coarseUnit, fineUnit)).flatten());
        Tensor zeros = adapters.own(torch.zeros(new long[] {2 * ranks}, new TensorOptions(ScalarType.Int)));
        return x -> {
            Tensor inner = Tensors.scoped(() -> {
                Tensor product = Int8Product.transposed(x.values(), packed, units, zeros, ScalarType.Float);
                return product.narrow(1, 0, ranks)
                        .add(product.narrow(1, ranks, ranks))
                        .to(ScalarType.BFloat16);
            });
            return new Rows(inner, x.scale());
        };
    }

    /** Rounding to 8 bits loses a hundred times as much as rounding once more to BF16. */
    @Override
    boolean addAtOnce() {
        return true;
    }

    private static Tensor unit(Tensor rows) {
        return rows.abs()
                .amax(new long[] {1}, true)
                .clamp_min_(new Scalar(RowRounding.SMALLEST))
                .div_(new Scalar(RowRounding.LARGEST));
    }
}
