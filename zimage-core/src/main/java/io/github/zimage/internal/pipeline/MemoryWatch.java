package io.github.zimage.internal.pipeline;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.engine.PhaseWatch;
import io.github.zimage.internal.events.MemoryEvent;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.ResidentMemory;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Watches what a pipeline has in memory while it draws, and compares that with its plan. */
final class MemoryWatch {
    private static final Logger LOG = LoggerFactory.getLogger(MemoryWatch.class);

    private final PlanKeeper keeper;
    private volatile MemoryPlan.@Nullable Peaks measured;

    /** Has seen nothing yet. */
    MemoryWatch(PlanKeeper keeper) {
        this.keeper = keeper;
    }

    /** Runs a generation while the memory is watched, and says afterwards what it had beside what was predicted. */
    <T> T watch(
            GenerationRequest request,
            GenerationListener listener,
            Function<GenerationListener, T> generation,
            Supplier<Map<Phase, Long>> devicePeaks) {
        if (keeper.current().machine().device().kind() != Device.Kind.CPU) {
            T result = generation.apply(listener);
            note(request, devicePeaks.get());
            return result;
        }
        Optional<ResidentMemory> started = ResidentMemory.start(Phase.TEXT);
        if (started.isEmpty()) {
            return generation.apply(listener);
        }
        try (ResidentMemory memory = started.get()) {
            T result = generation.apply(new PhaseListener(listener, memory));
            note(request, memory.peaks());
            return result;
        }
    }

    private void note(GenerationRequest request, Map<Phase, Long> peaks) {
        long beside = keeper.current().machine().outsideAllocator();
        Map<String, Long> bytes = new LinkedHashMap<>();
        Plan planned = keeper.planFor(request);
        planned.layout()
                .phases(planned.work())
                .forEach(phase -> bytes.put(phase.id(), beside + peaks.getOrDefault(phase, 0L)));
        MemoryPlan.Peaks found = new MemoryPlan.Peaks(bytes);
        measured = found;
        record(planned, peaks);
        LOG.debug(
                "Memory in use: {}; predicted: {}", found, keeper.plan(request).peaks());
    }

    private static void record(Plan planned, Map<Phase, Long> peaks) {
        for (Map.Entry<Phase, Long> peak : peaks.entrySet()) {
            MemoryEvent event = new MemoryEvent();
            if (event.shouldCommit()) {
                event.device = planned.machine().device().toString();
                event.phase = peak.getKey().id();
                event.measured = planned.machine().outsideAllocator() + peak.getValue();
                event.planned = planned.peak(peak.getKey());
                event.commit();
            }
        }
    }

    /** Returns what the latest generation had in memory, if one was watched. */
    Optional<MemoryPlan.Peaks> measured() {
        return Optional.ofNullable(measured);
    }

    /** Notes where one phase ends and the next begins. */
    private static final class PhaseListener extends ForwardingListener implements PhaseWatch {
        private final ResidentMemory memory;

        PhaseListener(GenerationListener target, ResidentMemory memory) {
            super(target);
            this.memory = memory;
        }

        @Override
        public void onPhase(Phase phase) {
            memory.enter(phase);
        }
    }
}
