package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import io.github.zimage.internal.lora.GainRows.Gain;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Additions;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.WeightIndex;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * What adapters at their weights add to a component, all together, as tensors: to a matrix one pair of factors ({@link LowRank#down}, {@link
 * LowRank#up}), pairs of Kronecker factors, a difference as such, and what its own rows change by; to anything else a difference.
 */
public final class AdapterTensors {
    private final UnaryOperator<TensorEntry> base;
    private final Map<String, Sum> sums = new LinkedHashMap<>();
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();

    private AdapterTensors(UnaryOperator<TensorEntry> base) {
        this.base = base;
    }

    /** What is added to one weight. */
    private static final class Sum {
        final List<LowRank> lowRank = new ArrayList<>();
        final List<KroneckerDelta> kronecker = new ArrayList<>();
        final List<Delta> others = new ArrayList<>();
        final List<Gain> gains = new ArrayList<>();
    }

    /**
     * Returns the tensors of what some adapters add to a component, in FP32, made while they are read.
     *
     * @param index the component's weights, which DoRA needs the lengths of
     * @param base returns a weight of the index as F32, F16 or BF16, wherever that lies
     */
    public static WeightIndex of(
            List<AdapterUse> uses, Component component, WeightIndex index, UnaryOperator<TensorEntry> base) {
        AdapterTensors all = new AdapterTensors(base);
        for (AdapterUse use : uses) {
            for (Change change : use.adapter().changes()) {
                double weight = use.weight(change.tensor());
                if (change.component().equals(component) && weight != 0) {
                    all.add(change, weight, index);
                }
            }
        }
        // Biases may be new to a layer.
        all.sums.forEach((name, sum) -> all.put(
                name,
                sum,
                index.has(name) ? index.get(name).shape() : sum.others.get(0).shape()));
        return WeightIndex.of("LoRA", all.tensors);
    }

    private void add(Change change, double weight, WeightIndex index) {
        Sum sum = sums.computeIfAbsent(change.tensor(), name -> new Sum());
        Delta delta = change.delta().times(weight);
        LowRank lowRank = delta.lowRank();
        TensorEntry magnitude = change.magnitude();
        if (magnitude != null) {
            DoraFactors factors = new DoraFactors(base.apply(index.get(change.tensor())), change.delta(), magnitude);
            sum.gains.add(new Gain(factors, weight));
            if (lowRank == null) {
                sum.others.add(new ScaledDelta(delta, factors));
            } else {
                sum.lowRank.add(new LowRank(lowRank.down(), ScaledRows.of(lowRank.up(), factors), lowRank.scale()));
            }
        } else if (lowRank != null) {
            sum.lowRank.add(lowRank);
        } else if (delta instanceof KroneckerDelta kronecker) {
            sum.kronecker.add(kronecker);
        } else {
            sum.others.add(delta);
        }
    }

    private void put(String name, Sum sum, List<Long> shape) {
        if (!sum.lowRank.isEmpty()) {
            put(Additions.down(name, sum.lowRank));
            put(Additions.up(name, sum.lowRank));
        }
        for (int i = 0; i < sum.kronecker.size(); i++) {
            KroneckerDelta each = sum.kronecker.get(i);
            put(FactorProduct.of(left(name, i), each.w1(), each.scale()));
            put(FactorProduct.of(right(name, i), each.w2(), 1));
        }
        if (!sum.others.isEmpty()) {
            int columns = Math.toIntExact(shape.get(shape.size() - 1));
            put(new DeltaRows(columns, sum.others).entry(difference(name), shape));
        }
        if (!sum.gains.isEmpty()) {
            put(GainRows.of(gain(name), shape.get(0), sum.gains));
        }
    }

    private void put(TensorEntry tensor) {
        tensors.put(tensor.name(), tensor);
    }

    /** Returns how the left one of a pair of Kronecker factors is called. */
    public static String left(String matrix, int number) {
        return matrix + ".left." + number;
    }

    /** Returns how the right one of a pair of Kronecker factors is called. */
    public static String right(String matrix, int number) {
        return matrix + ".right." + number;
    }

    /** Returns how a difference as such is called, of the weight's shape. */
    public static String difference(String weight) {
        return weight + ".difference";
    }

    /** Returns how that is called by which a matrix's own rows change: [out], times the row. */
    public static String gain(String matrix) {
        return matrix + ".gain";
    }
}
