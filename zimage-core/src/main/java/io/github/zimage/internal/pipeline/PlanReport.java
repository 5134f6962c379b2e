package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.internal.placement.ModelLayout;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A plan as users see it. */
final class PlanReport {
    private PlanReport() {}

    /** Returns what users see of a plan. */
    static MemoryPlan of(String model, Plan plan) {
        List<MemoryPlan.Part> parts = new ArrayList<>();
        for (ModelLayout.Entry entry : plan.layout().entries()) {
            if (entry.runsFor(plan.work())) {
                parts.add(part(entry, plan));
            }
        }
        Map<String, Long> peaks = new LinkedHashMap<>();
        plan.layout().phases(plan.work()).forEach(phase -> peaks.put(phase.id(), plan.peak(phase)));
        return new MemoryPlan(
                model,
                plan.work().toString(),
                plan.machine().device(),
                plan.machine().limit() == Long.MAX_VALUE
                        ? null
                        : new MemorySize(plan.machine().limit()),
                parts,
                new MemoryPlan.Peaks(peaks),
                plan.tile(),
                plan.fits());
    }

    private static MemoryPlan.Part part(ModelLayout.Entry entry, Plan plan) {
        Component component = entry.component();
        int blocks = entry.part().blocks().size();
        Residence residence = plan.residences().get(component);
        Residence known = residence == null ? Residence.resident() : residence;
        return new MemoryPlan.Part(
                component,
                Objects.requireNonNull(plan.devices().get(component)),
                entry.precision(),
                switch (known.kind()) {
                    case RESIDENT -> Placement.Kind.ON;
                    case PARKED -> Placement.Kind.PARKED;
                    case STREAMED -> Placement.Kind.STREAMED;
                },
                blocks,
                known.residentBlocks(),
                known.slots(),
                entry.part().bytes(),
                plan.bytesOf(component),
                switch (known.kind()) {
                    case RESIDENT -> "never";
                    case PARKED -> "whole, for each request";
                    case STREAMED ->
                        "%d of %d blocks for each %s, through %d slots"
                                .formatted(
                                        blocks - known.residentBlocks(),
                                        blocks,
                                        entry.catalog().cadence().each(),
                                        known.slots());
                });
    }
}
