package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
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

    /** What is added comes first and the layers' own product is added to it, so that the sum is rounded once. */
    @Override
    public JointProjection with(List<? extends @Nullable Addition> additions) {
        if (additions.stream().noneMatch(Objects::nonNull)
                || !additions.stream().allMatch(each -> each == null || each.isSum())) {
            return JointProjection.super.with(additions);
        }
        return rows -> {
            Rows x = Rows.of(Tensors.cast(rows.values(), weight.scalar_type()));
            Tensor all = x.values().new_empty(x.count(), weight.size(0));
            List<Rows> parts = parts(all);
            for (int i = 0; i < parts.size(); i++) {
                Addition addition = additions.get(i);
                if (addition == null) {
                    parts.get(i).values().zero_();
                } else {
                    addition.fill(parts.get(i).values(), x);
                }
            }
            all.addmm_(x.values(), weight.t());
            return parts;
        };
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
