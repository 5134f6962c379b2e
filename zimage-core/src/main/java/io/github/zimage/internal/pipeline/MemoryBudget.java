package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.Device;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.MemoryPlan;
import io.github.zimage.MemorySize;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.VaeTiling;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.PhaseWatch;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.events.MemoryEvent;
import io.github.zimage.internal.events.ReliefEvent;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.ResidentMemory;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.internal.runtime.NativeErrors;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps a pipeline to its plan, and compares the plan with what happens. */
final class MemoryBudget {
    private static final Logger LOG = LoggerFactory.getLogger(MemoryBudget.class);

    private final String model;
    private volatile Planner planner;
    private volatile Plan plan;
    private final VaeTiling wishedTiling;
    private final int maxPromptTokens;
    private final boolean enforced;
    private volatile MemoryPlan.@Nullable Peaks measured;

    /**
     * Creates the budget of a pipeline.
     *
     * @param wishedTiling what the user set for the decoding, which the planner knows
     * @param enforced whether requests that would need more than the limit are refused
     */
    MemoryBudget(
            String model, Planner planner, Plan plan, VaeTiling wishedTiling, int maxPromptTokens, boolean enforced) {
        this.model = model;
        this.planner = planner;
        this.plan = plan;
        this.wishedTiling = wishedTiling;
        this.maxPromptTokens = maxPromptTokens;
        this.enforced = enforced;
    }

    MemoryPlan plan() {
        return PlanReport.of(model, plan);
    }

    MemoryPlan plan(GenerationRequest request) {
        return PlanReport.of(model, planFor(request));
    }

    private Plan planFor(GenerationRequest request) {
        return planner.with(plan, Workload.of(request, maxPromptTokens));
    }

    /** Returns how much of the limit is left to tensors. */
    long tensorBytes() {
        return plan.machine().tensorBytes();
    }

    /** Returns whether the machine has room for the blocks of a component, beside what it needs anyway. */
    boolean mayWaitInMemory(Component component) {
        long bytes = plan.layout().part(component).bytes();
        return MachineMemory.ofThisMachine().available().orElse(0) > bytes + bytes / 4;
    }

    /** Returns whether there is room for recordings of the transformer's work. */
    boolean recording() {
        return planner.isRecording();
    }

    /** Returns whether the plan needs no more than there is. */
    boolean fits() {
        return plan.fits();
    }

    Map<Component, Residence> residences() {
        return plan.residences();
    }

    /** Returns what to do when an allocation fails while weights are loaded. */
    Relief loadingRelief(GenerationListener listener) {
        return new SmallerPlan(plan.work(), MemoryBudget::loading, listener);
    }

    /** Returns what to do when an allocation fails while a prompt is encoded. */
    Relief relief() {
        return new SmallerPlan(plan.work(), Phase::doing, new GenerationListener() {});
    }

    /** Returns what to do when an allocation fails in a generation. */
    Relief reliefFor(GenerationRequest request, GenerationListener listener) {
        return new SmallerPlan(Workload.of(request, maxPromptTokens), Phase::doing, listener);
    }

    /** Goes on with the next smaller plan, and returns how to compute with it; empty if there is none. */
    Optional<EngineOptions> smaller(EngineOptions options) {
        Plan before = plan;
        Phase fullest = before.fullest();
        boolean recorded = planner.isRecording();
        planner = planner.recording(false);
        Plan next = recorded ? planner.with(before, before.work()) : planner.smaller(before, fullest, 0);
        if (next.peak(fullest) >= before.peak(fullest)) {
            return Optional.empty();
        }
        plan = next;
        LOG.warn("Going on with less memory: {}", summary());
        return Optional.of(smallerOptions(options));
    }

    private EngineOptions smallerOptions(EngineOptions options) {
        return options.smaller(tiling(), plan.residences(), plan.triesConvolutions(), limits());
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
            Plan before = planner.with(plan, work);
            planner = planner.recording(false);
            Plan next = planner.smaller(planner.with(plan, work), phase, NativeErrors.requestedBytes(failure));
            plan = planner.with(next, plan.work());
            LOG.warn(
                    "Out of memory while {}, with {} planned: freed caches, and trying once more with {} planned ({}). {}",
                    doing.apply(phase),
                    new MemorySize(before.peak(phase)),
                    new MemorySize(next.peak(phase)),
                    summary(),
                    failure.getMessage());
            record(phase, failure, before, next);
            listener.onRelief(failure, plan());
            return smallerOptions(options);
        }

        @Override
        public OutOfDeviceMemoryException explained(Phase phase, OutOfDeviceMemoryException failure) {
            long requested = NativeErrors.requestedBytes(failure);
            OptionalLong free = free();
            long planned = planner.with(plan, work).peak(phase);
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
        return "loading the " + (component.equals("vae") ? "VAE" : component);
    }

    private OptionalLong free() {
        Device device = plan.machine().device();
        return device.kind() == Device.Kind.CPU
                ? MachineMemory.ofThisMachine().available()
                : OptionalLong.of(Devices.card(device).freeBytes());
    }

    /** Returns what the user set for the decoding, or tiles if that was left to the plan and it needs them. */
    VaeTiling tiling() {
        return wishedTiling.mode() == VaeTiling.Mode.AUTO && plan.tile() > 0 ? VaeTiling.on() : wishedTiling;
    }

    /** Returns what keeps a generation within the plan. */
    EngineOptions.Limits limits() {
        return new EngineOptions.Limits(plan.work().picturesAtOnce(), planner.roomToDecode(plan));
    }

    /** Returns whether cuDNN may try its convolutions. */
    boolean triesConvolutions() {
        return plan.triesConvolutions();
    }

    /** Returns, in a few words, which weights do not stay and what is predicted. */
    String summary() {
        MemoryPlan shown = plan();
        List<String> moving = new ArrayList<>();
        for (MemoryPlan.Part part : shown.parts()) {
            switch (part.kind()) {
                case ON -> {}
                case PARKED -> moving.add(part.component().folder() + " parked");
                case STREAMED ->
                    moving.add("%s streamed but for %d of %d blocks"
                            .formatted(part.component().folder(), part.residentBlocks(), part.blocks()));
            }
        }
        if (plan.work().pictures() > plan.work().picturesAtOnce()
                && plan.work().picturesAtOnce() < Workload.PICTURES_AT_ONCE) {
            moving.add("one picture after the other");
        }
        return "%s, at most %s predicted for %s"
                .formatted(
                        moving.isEmpty() ? "all weights stay" : String.join(", ", moving),
                        new MemorySize(shown.peaks().highest()),
                        shown.work());
    }

    /** Says what was planned, and warns if the machine has less. */
    void log() {
        MemoryPlan shown = plan();
        LOG.debug("{}", shown);
        if (!shown.fits()) {
            LOG.warn(
                    "{} may need {} at the peak, but only {} are available: expect swapping or the end of the process; draw smaller"
                            + " pictures or free memory",
                    shown.work(),
                    new MemorySize(shown.peaks().highest()),
                    shown.limit());
        }
    }

    /** Refuses a request that does not fit into the budget, if one was set. */
    void check(GenerationRequest request) {
        if (!enforced) {
            return;
        }
        Plan needed = planFor(request);
        if (!needed.fits()) {
            throw new IllegalArgumentException(
                    "%s would need %s with the weights where they are, but the memory budget is %s: build the pipeline with"
                                    .formatted(
                                            needed.work(),
                                            new MemorySize(needed.peak()),
                                            new MemorySize(needed.machine().limit()))
                            + " planFor(the largest request), or draw less at once");
        }
    }

    /** Runs a generation while the memory is watched, and says afterwards what it had beside what was predicted. */
    <T> T watched(
            GenerationRequest request,
            GenerationListener listener,
            Function<GenerationListener, T> generation,
            Supplier<Map<Phase, Long>> devicePeaks) {
        if (plan.machine().device().kind() != Device.Kind.CPU) {
            T result = generation.apply(listener);
            found(request, devicePeaks.get());
            return result;
        }
        Optional<ResidentMemory> started = ResidentMemory.start(Phase.TEXT);
        if (started.isEmpty()) {
            return generation.apply(listener);
        }
        try (ResidentMemory memory = started.get()) {
            T result = generation.apply(new PhaseListener(listener, memory));
            found(request, memory.peaks());
            return result;
        }
    }

    private void found(GenerationRequest request, Map<Phase, Long> peaks) {
        long beside = plan.machine().outsideAllocator();
        Map<String, Long> bytes = new LinkedHashMap<>();
        Plan planned = planFor(request);
        planned.layout()
                .phases(planned.work())
                .forEach(phase -> bytes.put(phase.id(), beside + peaks.getOrDefault(phase, 0L)));
        MemoryPlan.Peaks found = new MemoryPlan.Peaks(bytes);
        measured = found;
        record(planned, peaks);
        LOG.debug("Memory in use: {}; predicted: {}", found, plan(request).peaks());
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
