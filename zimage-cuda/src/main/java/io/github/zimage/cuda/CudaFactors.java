package io.github.zimage.cuda;

import io.github.zimage.internal.nn.Down;
import io.github.zimage.internal.nn.Factors;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Factors for cards: of ranks that vector loads can take, filled up with zeros. Where rows are of 8-bit numbers, a first factor is the sum of two
 * matrices of such numbers, the second of which holds what rounding left of the first: so rows need not be widened, and no more is lost than by
 * BF16. Each of the two gives ranks of its own, for which the second factor is there twice.
 */
final class CudaFactors extends Factors {
    private final @Nullable EightBits eightBits;

    /** Creates a way; the numbers are rounded as rows are, if those are of 8 bits. */
    CudaFactors(ScalarType type, @Nullable EightBits eightBits, @Nullable UnaryOperator<Tensor> turn) {
        super(type, turn);
        this.eightBits = eightBits;
    }

    @Override
    public Down down(WeightStore adapters, List<Tensor> rows) {
        List<Tensor> filled =
                rows.stream().map(each -> filled(each, each.size(0), 0)).toList();
        if (eightBits == null) {
            return super.down(adapters, filled);
        }
        List<Rows> rounded = new ArrayList<>();
        for (Tensor exact : filled) {
            Rows coarse = eightBits.round(exact);
            rounded.add(coarse);
            rounded.add(eightBits.round(exact.sub(coarse.floats())));
        }
        Tensor values = adapters.own(below(rounded.stream().map(Rows::values).toList()));
        Tensor units = adapters.own(
                below(rounded.stream().map(EightBits::scale).toList()).t().contiguous());
        EightBitLinear both = EightBitLinear.of(eightBits, values, units);
        return x -> Rows.of(both.product(x));
    }

    @Override
    public Tensor up(Tensor exact) {
        Tensor filled = Tensors.cast(filled(exact, exact.size(1), 1), type());
        return eightBits == null ? filled.contiguous() : torch.cat(new TensorVector(filled, filled), 1);
    }

    private static Tensor filled(Tensor matrix, long ranks, int dimension) {
        long missing = -ranks & (CudaKernels.VECTOR - 1);
        if (missing == 0) {
            return matrix;
        }
        long[] shape = {matrix.size(0), matrix.size(1)};
        shape[dimension] = missing;
        return torch.cat(new TensorVector(matrix, matrix.new_zeros(shape)), dimension);
    }
}
