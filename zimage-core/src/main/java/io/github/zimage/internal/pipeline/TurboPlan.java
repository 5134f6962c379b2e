package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.placement.Machine;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.ModelLayout;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.VaeTiling;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Plans for Z-Image-Turbo by its shapes, which are known, before 33 GB are fetched. What is missing is what depends on files: weights
 * are counted as if they were stored, or kept in the conversion cache, in the format that they are computed in.
 */
public final class TurboPlan {
    /** What the plans are called. */
    public static final String NAME = "Z-Image-Turbo";

    private static final int PROMPT_TOKENS = 512;

    private final Planner planner;

    private TurboPlan(Planner planner) {
        this.planner = planner;
    }

    /** Returns plans in a precision; the VAE takes BF16 beside 8 bits. */
    public static TurboPlan in(Precision precision) {
        Map<Component, Precision> precisions = new HashMap<>();
        for (Component component : Component.values()) {
            precisions.put(component, precision);
        }
        Precision decoding = precision.isEightBit() ? Precision.BF16 : precision;
        precisions.put(Component.VAE, decoding);
        ModelLayout layout = ModelLayout.of(
                new TextEncoderConfig(2560, 36, 32, 8, 128, 9728, 1e-6, 1e6, 151_936, false),
                new TransformerConfig(
                        3840, 30, 2, 30, 1e-5, true, 2560, 16, 256, 1000, List.of(32, 48, 48), List.of(1536, 512, 512)),
                new VaeConfig(16, List.of(128, 256, 512, 512), 2, 32, 0.3611, 0.1159, false, true, 3),
                precisions);
        return new TurboPlan(new Planner(layout, Map.of(), VaeTiling.auto()));
    }

    /** Returns the plan for what is available on this machine, whether it fits or not. */
    public MemoryPlan onThisMachine(GenerationRequest request) {
        long available = MachineMemory.ofThisMachine().available().orElse(Long.MAX_VALUE);
        return PlanReport.of(NAME, planner.planAnyway(Machine.cpu(available), work(request)));
    }

    /**
     * Returns the plan for the CPU with a budget.
     *
     * @throws IllegalArgumentException if that is too small
     */
    public MemoryPlan within(MemorySize budget, GenerationRequest request) {
        return PlanReport.of(NAME, planner.plan(Machine.cpu(budget.bytes()), work(request)));
    }

    /**
     * Returns the plan for a graphics card.
     *
     * @throws IllegalArgumentException if that is too small
     */
    public MemoryPlan onCard(MemorySize card, GenerationRequest request) {
        return PlanReport.of(NAME, planner.tryingConvolutions(planner.plan(Machine.card(card.bytes()), work(request))));
    }

    private static Workload work(GenerationRequest request) {
        return Workload.of(request, PROMPT_TOKENS);
    }
}
