package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.ConversionCache;
import io.github.zimage.internal.conversion.WeightConversion;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.engine.Hardware;
import io.github.zimage.internal.events.PlanEvent;
import io.github.zimage.internal.placement.ComponentSettings;
import io.github.zimage.internal.placement.Machine;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.ModelLayout;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/** Plans the memory of a pipeline by its settings. */
final class Planning {
    private final Checkpoint checkpoint;
    private final PipelineSettings settings;
    private final ConversionCache cache;

    /**
     * Plans for a checkpoint's weights.
     *
     * @param cache what converts some of them on the disk, before they are loaded
     */
    Planning(Checkpoint checkpoint, PipelineSettings settings, ConversionCache cache) {
        this.checkpoint = checkpoint;
        this.settings = settings;
        this.cache = cache;
    }

    /** Returns the memory of a pipeline on a device, planned. */
    PlanKeeper memory(Device computing) {
        requireUsable(computing);
        PlanEvent event = new PlanEvent();
        event.begin();
        PlanKeeper planned = computing.kind() == Device.Kind.CPU ? memoryOfMachine() : memoryOfCard(computing);
        event.device = computing.toString();
        event.fits = planned.fits();
        event.commit();
        return planned;
    }

    private PlanKeeper memoryOfMachine() {
        Planner planner = planner(cache);
        MemorySize budget = settings.memoryBudget();
        if (budget != null) {
            return keeper(planner, planner.plan(Machine.cpu(budget.bytes()), settings.plannedWork()));
        }
        long available = MachineMemory.ofThisMachine().available().orElse(Long.MAX_VALUE);
        return keeper(planner, planner.planAnyway(Machine.cpu(available), settings.plannedWork()));
    }

    private PlanKeeper memoryOfCard(Device computing) {
        Planner planner = planner(ConversionCache.off());
        long free = Devices.card(computing).freeBytes();
        MemorySize budget = settings.memoryBudget();
        Plan plan = budget == null
                ? planner.planAnyway(Machine.card(computing, free), settings.plannedWork())
                : planner.plan(Machine.partOfCard(computing, Math.min(free, budget.bytes())), settings.plannedWork());
        Optional<Plan> recording = recording(planner, plan);
        Planner chosen = planner.recording(recording.isPresent());
        return keeper(
                chosen, budget == null ? chosen.tryingConvolutions(recording.orElse(plan)) : recording.orElse(plan));
    }

    private PlanKeeper keeper(Planner planner, Plan plan) {
        return new PlanKeeper(
                checkpoint.name(),
                planner,
                plan,
                settings.vaeTiling(),
                settings.maxPromptTokens(),
                settings.memoryBudget() != null);
    }

    /** Returns the plan for a graphics card that need not be there. */
    MemoryPlan planForCard(MemorySize card) {
        Planner planner = planner(cache);
        Plan plan = planner.plan(Machine.card(card.bytes()), settings.plannedWork());
        Optional<Plan> recording = recording(planner, plan);
        return PlanReport.of(
                checkpoint.name(), planner.recording(recording.isPresent()).tryingConvolutions(recording.orElse(plan)));
    }

    private Planner planner(ConversionCache converting) {
        return new Planner(
                ModelLayout.of(checkpoint, settings.precisions()),
                settings.placements(),
                settings.vaeTiling(),
                new WeightConversion(converting).roundedInMemory(checkpoint, settings.precisions()));
    }

    /**
     * Returns a plan with room for recordings, if they are wanted. They read weights where they are, and do not gain what it costs to
     * let any weights go for them.
     */
    private Optional<Plan> recording(Planner planner, Plan without) {
        if (!settings.compileTransformer()) {
            return Optional.empty();
        }
        Plan plan = planner.recording(true).planAnyway(without.machine(), settings.plannedWork());
        Residence transformer = plan.residences().get(Component.TRANSFORMER);
        boolean stays = transformer == null || transformer.equals(Residence.resident());
        return stays && plan.fits() && plan.moved() <= without.moved() ? Optional.of(plan) : Optional.empty();
    }

    /** Checks that all components can compute where they are placed, in their precision. */
    private void requireUsable(Device computing) {
        Device transformer = settings.deviceOf(Component.TRANSFORMER, computing);
        Device controlNet = settings.deviceOf(Component.CONTROLNET, computing);
        if (!controlNet.equals(transformer)) {
            throw new IllegalArgumentException(
                    "controlnet must compute where the transformer does, on %s, but was placed on %s"
                            .formatted(transformer, controlNet));
        }
        settings.precisions().forEach((component, wanted) -> {
            Device where = settings.deviceOf(component, computing);
            if (!where.equals(computing)) {
                Devices.require(
                        where,
                        "%s cannot be placed on %s".formatted(component.id().replace('_', ' '), where));
            }
            if (!Devices.has(where, wanted)) {
                throw new IllegalArgumentException("%s cannot compute in %s on %s: use BF16 or FP32"
                        .formatted(component.id().replace('_', ' '), wanted, where));
            }
        });
    }

    /** Returns what an engine computes on. */
    Hardware hardware(Device computing, PlanKeeper memory) {
        Map<Component, Device> devices = new HashMap<>();
        Set<Component> inMemory = new HashSet<>();
        for (Component component : checkpoint.components()) {
            devices.put(component, settings.deviceOf(component, computing));
            Placement placement = ComponentSettings.of(settings.placements(), component);
            if (placement == null || placement.kind() != Placement.Kind.STREAMED) {
                if (memory.mayWaitInMemory(component)) {
                    inMemory.add(component);
                }
            } else if (placement.device() != null) {
                inMemory.add(component);
            }
        }
        boolean limited = settings.memoryBudget() != null && computing.kind() != Device.Kind.CPU;
        return new Hardware(
                computing,
                devices,
                inMemory,
                limited ? OptionalLong.of(memory.tensorBytes()) : OptionalLong.empty(),
                memory.triesConvolutions());
    }
}
