package io.github.zimage.internal.transformer;

import io.github.zimage.internal.placement.Workload;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;

/** The norms of a ControlNet's blocks at the timesteps of the schedules used last: for each schedule one tensor, [steps, blocks * 4 * dim] fp32. */
final class ControlModulations implements WeightStore.Owned {
    private static final int NORMS = 4;

    private final Map<Key, Tensor> schedules = new LinkedHashMap<>(16, 0.75f, true);

    /** A schedule, and what adapters add, which is the same object each time. */
    private record Key(List<Float> timesteps, TransformerAdditions additions) {}

    /**
     * Returns the norms of a schedule, which can be used until the current scope ends.
     *
     * @param maker computes them if they are not there
     */
    Tensor get(List<Float> timesteps, TransformerAdditions additions, Supplier<Tensor> maker) {
        Key key = new Key(List.copyOf(timesteps), additions);
        Tensor known = schedules.get(key);
        if (known == null) {
            makeRoom(timesteps.size());
            known = Tensors.keep(Tensors.scoped(maker));
            schedules.put(key, known);
        }
        Tensors.useInScope(known);
        return known;
    }

    private void makeRoom(int steps) {
        long all = steps
                + schedules.values().stream().mapToLong(each -> each.size(0)).sum();
        Iterator<Tensor> eldest = schedules.values().iterator();
        while (eldest.hasNext() && all > Workload.KEPT_STEPS) {
            Tensor forgotten = eldest.next();
            all -= forgotten.size(0);
            forgotten.close();
            eldest.remove();
        }
    }

    /** Forgets what was computed with adapters. */
    void forgetAdapted() {
        schedules.entrySet().removeIf(each -> {
            boolean adapted = each.getKey().additions() != TransformerAdditions.NONE;
            if (adapted) {
                each.getValue().close();
            }
            return adapted;
        });
    }

    /**
     * Returns a step's norms of a block.
     *
     * @param row of what {@link #get} gave
     * @param block which one
     * @param blocks how many there are
     */
    static BlockNorms norms(Tensor row, int block, int blocks) {
        long dim = row.numel() / ((long) NORMS * blocks);
        List<Tensor> parts = new ArrayList<>();
        for (int i = 0; i < NORMS; i++) {
            parts.add(row.narrow(0, (NORMS * block + i) * dim, dim));
        }
        return new BlockNorms(parts.get(0), parts.get(1), parts.get(2), parts.get(3));
    }

    /** Forgets all. What is in use stays until its scope ends. */
    @Override
    public void close() {
        schedules.values().forEach(Tensor::close);
        schedules.clear();
    }
}
