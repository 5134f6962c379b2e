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
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * What the timesteps of the schedules used last gave: the latest one, and others as long as all together have at most {@link
 * Workload#KEPT_STEPS} steps. The next picture by one of them reads no weights for it.
 */
final class KeptModulations implements WeightStore.Owned {
    private final Map<Key, List<StepModulation>> schedules = new LinkedHashMap<>(16, 0.75f, true);

    /** A schedule, and what adapters add, which is the same object each time. */
    private record Key(List<Float> timesteps, TransformerAdditions additions) {}

    /**
     * Returns what a schedule's timesteps give, which can be used until the current scope ends.
     *
     * @param maker computes it if it is not there
     */
    List<StepModulation> get(float[] timesteps, TransformerAdditions additions, Supplier<List<StepModulation>> maker) {
        List<Float> schedule = new ArrayList<>();
        for (float timestep : timesteps) {
            schedule.add(timestep);
        }
        Key key = new Key(List.copyOf(schedule), additions);
        List<StepModulation> known = schedules.get(key);
        if (known == null) {
            makeRoom(timesteps.length);
            try (PointerScope scope = new PointerScope()) {
                known = maker.get();
                tensors(known).forEach(Tensors::keep);
            }
            schedules.put(key, known);
        }
        tensors(known).forEach(Tensors::useInScope);
        return known;
    }

    private void makeRoom(int steps) {
        int all = steps
                + schedules.keySet().stream()
                        .mapToInt(each -> each.timesteps().size())
                        .sum();
        Iterator<Map.Entry<Key, List<StepModulation>>> eldest =
                schedules.entrySet().iterator();
        while (eldest.hasNext() && all > Workload.KEPT_STEPS) {
            Map.Entry<Key, List<StepModulation>> forgotten = eldest.next();
            all -= forgotten.getKey().timesteps().size();
            tensors(forgotten.getValue()).forEach(Tensor::close);
            eldest.remove();
        }
    }

    private static List<Tensor> tensors(List<StepModulation> steps) {
        return steps.stream().flatMap(step -> step.tensors().stream()).toList();
    }

    /** Forgets what was computed with some additions. */
    void forget(TransformerAdditions additions) {
        schedules.entrySet().removeIf(each -> {
            boolean forgotten = each.getKey().additions().equals(additions);
            if (forgotten) {
                tensors(each.getValue()).forEach(Tensor::close);
            }
            return forgotten;
        });
    }

    /** Forgets all. What is in use stays until its scope ends. */
    @Override
    public void close() {
        schedules.values().forEach(steps -> tensors(steps).forEach(Tensor::close));
        schedules.clear();
    }
}
