package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.VaeTiling;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps the plan of a pipeline: what it allows, and which requests it has room for. Thread-safe; changed by the device's thread alone. */
final class PlanKeeper {
    private static final Logger LOG = LoggerFactory.getLogger(PlanKeeper.class);

    private final String model;
    private volatile Planner planner;
    private volatile Plan plan;
    private final VaeTiling wishedTiling;
    private final int maxPromptTokens;
    private final boolean enforced;

    /**
     * Keeps a plan.
     *
     * @param wishedTiling what the user set for the decoding, which the planner knows
     * @param enforced whether requests that would need more than the limit are refused
     */
    PlanKeeper(
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

    Plan planFor(GenerationRequest request) {
        return planner.with(plan, workload(request));
    }

    /** Returns what a request asks for. */
    Workload workload(GenerationRequest request) {
        return Workload.of(request, maxPromptTokens);
    }

    /** Returns the plan as it is now. */
    Plan current() {
        return plan;
    }

    /** Returns what plans. */
    Planner planner() {
        return planner;
    }

    /** Goes on with another plan. */
    void change(Planner otherPlanner, Plan other) {
        planner = otherPlanner;
        plan = other;
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

    /** Returns how to compute by a plan that is smaller than that which the options were made for. */
    EngineOptions smallerOptions(EngineOptions options) {
        return options.smaller(tiling(), plan.residences(), plan.triesConvolutions(), limits());
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
                case PARKED -> moving.add(part.component().id() + " parked");
                case STREAMED ->
                    moving.add("%s streamed but for %d of %d blocks"
                            .formatted(part.component().id(), part.residentBlocks(), part.blocks()));
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

    /** Refuses a request that does not fit into the budget, if one was set, or whose step cache needs weights that stay. */
    void check(GenerationRequest request) {
        checkStepCache(request);
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

    private void checkStepCache(GenerationRequest request) {
        StepCache cache = request.sampling().stepCache();
        if (cache == null || cache.kind() != StepCache.Kind.FIRST_BLOCK) {
            return;
        }
        Residence transformer = plan.residences().get(Component.TRANSFORMER);
        String reason = transformer != null && transformer.kind() == Residence.Kind.STREAMED
                ? "its blocks are streamed"
                : planner.isRecording() ? "it is compiled" : null;
        if (reason != null) {
            throw new InvalidRequestException(
                    List.of("stepCache"),
                    "stepCache %s decides while the transformer computes, which does not do where %s: take mask=medium, which is known before"
                            .formatted(cache, reason));
        }
    }
}
