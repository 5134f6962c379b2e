package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Linear layers without bias whose weights lie one below the other: one product instead of several. */
final class JointLinear implements JointProjection {
    private final Tensor weight;
    private final long[] widths;

    private JointLinear(Tensor weight, long[] widths) {
        this.weight = weight;
        this.widths = widths;
    }

    /** Takes layers' weights from a source; returns null if they do not lie together there. */
    static @Nullable JointLinear load(TensorSource weights, List<String> names, ScalarType type) {
        List<String> tensors = names.stream().map(name -> name + ".weight").toList();
        Tensor joined = weights.joined(tensors, type);
        return joined == null
                ? null
                : new JointLinear(
                        joined,
                        tensors.stream()
                                .mapToLong(name -> weights.shape(name).get(0))
                                .toArray());
    }

    @Override
    public List<Rows> forward(Rows x) {
        return parts(MatrixProduct.transposed(Tensors.cast(x.values(), weight.scalar_type()), weight, null));
    }

    private List<Rows> parts(Tensor all) {
        List<Rows> results = new ArrayList<>();
        long from = 0;
        for (long width : widths) {
            results.add(Rows.of(all.narrow(1, from, width)));
            from += width;
        }
        return results;
    }
}
