package io.github.zimage.internal.pipeline;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.events.ReliefEvent;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.internal.runtime.NativeErrors;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemorySize;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a pipeline does when memory runs out: goes on with the next smaller plan, and says what happened. */
final class MemoryRelief {
    private static final Logger LOG = LoggerFactory.getLogger(MemoryRelief.class);

    private final PlanKeeper keeper;

    /** Makes the plans of a keeper smaller. */
    MemoryRelief(PlanKeeper keeper) {
        this.keeper = keeper;
    }

    /** Returns what to do when an allocation fails while weights are loaded. */
    Relief whileLoading(GenerationListener listener) {
        return new SmallerPlan(keeper.current().work(), MemoryRelief::loading, listener);
    }

    /** Returns what to do when an allocation fails while a prompt is encoded. */
    Relief whileEncoding() {
        return new SmallerPlan(keeper.current().work(), Phase::doing, new GenerationListener() {});
    }

    /** Returns what to do when an allocation fails in a generation. */
    Relief whileDrawing(GenerationRequest request, GenerationListener listener) {
        return new SmallerPlan(keeper.workload(request), Phase::doing, listener);
    }

    /** Goes on with the next smaller plan, and returns how to compute with it; empty if there is none. */
    Optional<EngineOptions> smaller(EngineOptions options) {
        Plan before = keeper.current();
        Phase fullest = before.fullest();
        Planner planner = keeper.planner().recording(false);
        Plan next = keeper.recording() ? planner.with(before, before.work()) : planner.smaller(before, fullest, 0);
        keeper.change(planner, before);
        if (next.peak(fullest) >= before.peak(fullest)) {
            return Optional.empty();
        }
        keeper.change(planner, next);
        LOG.warn("Going on with less memory: {}", keeper.summary());
        return Optional.of(keeper.smallerOptions(options));
    }

    /** Goes on with the next smaller plan, and stays with it. */
    private final class SmallerPlan implements Relief {
        private final Workload work;
        private final Function<Phase, String> doing;
        private final GenerationListener listener;

        SmallerPlan(Workload work, Function<Phase, String> doing, GenerationListener listener) {
            this.work = work;
            this.doing = doing;
            this.listener = listener;
        }

        @Override
        public EngineOptions smaller(EngineOptions options, Phase phase, OutOfDeviceMemoryException failure) {
            Plan plan = keeper.current();
            Plan before = keeper.planner().with(plan, work);
            Planner planner = keeper.planner().recording(false);
            Plan next = planner.smaller(planner.with(plan, work), phase, NativeErrors.requestedBytes(failure));
            keeper.change(planner, planner.with(next, plan.work()));
            LOG.warn(
                    "Out of memory while {}, with {} planned: freed caches, and trying once more with {} planned ({}). {}",
                    doing.apply(phase),
                    new MemorySize(before.peak(phase)),
                    new MemorySize(next.peak(phase)),
                    keeper.summary(),
                    failure.getMessage());
            record(phase, failure, before, next);
            listener.onRelief(failure, keeper.plan());
            return keeper.smallerOptions(options);
        }

        @Override
        public OutOfDeviceMemoryException explained(Phase phase, OutOfDeviceMemoryException failure) {
            long requested = NativeErrors.requestedBytes(failure);
            OptionalLong free = free();
            long planned = keeper.planner().with(keeper.current(), work).peak(phase);
            return new OutOfDeviceMemoryException(
                    "out of memory while %s, also with caches freed and less in memory: requested %s, free %s, planned %s; draw smaller"
                                    .formatted(
                                            doing.apply(phase),
                                            requested == 0 ? "unknown" : new MemorySize(requested),
                                            free.isEmpty() ? "unknown" : new MemorySize(Math.max(1, free.getAsLong())),
                                            new MemorySize(planned))
                            + " pictures or fewer at once, free memory that other programs have, or set a memory budget so that"
                            + " fewer weights stay in memory",
                    failure,
                    requested == 0 ? OptionalLong.empty() : OptionalLong.of(requested),
                    free,
                    OptionalLong.of(planned));
        }
    }

    private static void record(Phase phase, OutOfDeviceMemoryException failure, Plan before, Plan next) {
        ReliefEvent event = new ReliefEvent();
        if (event.shouldCommit()) {
            event.device = before.machine().device().toString();
            event.phase = phase.id();
            event.requested = NativeErrors.requestedBytes(failure);
            event.plannedBefore = before.peak(phase);
            event.planned = next.peak(phase);
            event.commit();
        }
    }

    private static String loading(Phase phase) {
        String component = phase.component().id().replace('_', ' ');
        return "loading the " + component.replace("vae", "VAE");
    }

    private OptionalLong free() {
        Device device = keeper.current().machine().device();
        return device.kind() == Device.Kind.CPU
                ? MachineMemory.ofThisMachine().available()
                : OptionalLong.of(Devices.card(device).freeBytes());
    }
}
