package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.MemoryPlan;
import io.github.zimage.MemorySize;
import io.github.zimage.Placement;
import io.github.zimage.internal.placement.ModelLayout;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Residence;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** A plan as users see it. */
final class PlanReport {
    private PlanReport() {}

    /** Returns what users see of a plan. */
    static MemoryPlan of(String model, Plan plan) {
        List<MemoryPlan.Part> parts = new ArrayList<>();
        for (Component component : Component.values()) {
            parts.add(part(component, plan));
        }
        return new MemoryPlan(
                model,
                plan.work().toString(),
                plan.machine().device(),
                plan.machine().limit() == Long.MAX_VALUE
                        ? null
                        : new MemorySize(plan.machine().limit()),
                parts,
                new MemoryPlan.Peaks(plan.peak(Phase.TEXT), plan.peak(Phase.DENOISE), plan.peak(Phase.DECODE)),
                plan.tile(),
                plan.fits());
    }

    private static MemoryPlan.Part part(Component component, Plan plan) {
        ModelLayout.Part layout = plan.layout().part(component);
        Residence residence = plan.residences().get(component);
        Residence known = residence == null ? Residence.resident() : residence;
        return new MemoryPlan.Part(
                component,
                Objects.requireNonNull(plan.devices().get(component)),
                Objects.requireNonNull(plan.layout().precisions().get(component)),
                switch (known.kind()) {
                    case RESIDENT -> Placement.Kind.ON;
                    case PARKED -> Placement.Kind.PARKED;
                    case STREAMED -> Placement.Kind.STREAMED;
                },
                layout.blocks().size(),
                known.residentBlocks(),
                known.slots(),
                layout.bytes(),
                plan.bytesOf(component));
    }
}
