package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.Placement;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What everything costs that can be chosen, for one kind of work on one machine. */
final class PlanCosts {
    private final ModelLayout layout;
    private final List<Phase> phases;
    private final Map<Component, Placement> placements;
    private final boolean recording;
    private final Machine machine;
    private final Workload work;
    private final Map<Activity, Long> activityBytes = new HashMap<>();

    /**
     * One way to keep a component's weights.
     *
     * @param entry the component
     * @param residence null if they are beside the card
     * @param running the bytes on the device while the component runs
     * @param idle the bytes that stay there while it does not
     * @param moved the bytes that come for each request
     */
    record Option(ModelLayout.Entry entry, @Nullable Residence residence, long running, long idle, long moved) {
        /** The less happens while a component runs, the better. */
        int complexity() {
            if (residence == null) {
                return 0;
            }
            return switch (residence.kind()) {
                case RESIDENT -> 0;
                case PARKED -> 1;
                case STREAMED -> 2;
            };
        }
    }

    /**
     * An option for each component, and tiles.
     *
     * @param options in the order of the layout
     * @param tile how many rows of a picture are decoded at a time, or 0
     * @param moved the bytes that come for each request
     * @param peak the most bytes in use
     */
    record Candidate(List<Option> options, int tile, long moved, long peak) {
        /** Returns how much happens while components run. */
        int complexity() {
            return options.stream().mapToInt(Option::complexity).sum();
        }
    }

    private record Activity(Component component, Phase phase, int tile) {}

    PlanCosts(
            ModelLayout layout,
            Map<Component, Placement> placements,
            boolean recording,
            Machine machine,
            Workload work) {
        this.layout = layout;
        this.placements = placements;
        this.recording = recording;
        this.machine = machine;
        this.work = work;
        phases = layout.phases(work);
    }

    Machine machine() {
        return machine;
    }

    Workload work() {
        return work;
    }

    /** Returns what it costs to keep a component's weights in a way; null stands for beside the card. */
    Option option(ModelLayout.Entry entry, @Nullable Residence residence) {
        if (residence == null) {
            return new Option(entry, null, 0, 0, 0);
        }
        WeightSizes part = entry.part();
        // A card gets the rows that a prompt needs, which the CPU picks.
        long embeddings =
                machine.isCpu() ? Math.min(part.embeddings(), entry.memory().embeddingRows(work)) : 0;
        long whole = part.rest() + part.blockBytes();
        long stays = part.rest() + part.slotBytes() * residence.residentBlocks();
        return switch (residence.kind()) {
            case RESIDENT -> new Option(entry, residence, whole + embeddings, whole + embeddings, 0);
            case PARKED ->
                new Option(
                        entry,
                        residence,
                        whole + embeddings,
                        0,
                        entry.runsFor(work) ? whole * entry.catalog().phases().size() : 0);
            case STREAMED ->
                new Option(
                        entry,
                        residence,
                        stays + part.slotBytes() * (residence.slots() + slotCopies(entry)) + embeddings,
                        stays,
                        streamed(entry, residence.residentBlocks()));
        };
    }

    /** Matrices of 8-bit integers are copied into the form that is multiplied when they have come. */
    private static int slotCopies(ModelLayout.Entry entry) {
        return entry.precision() == Precision.INT8 ? 1 : 0;
    }

    private long streamed(ModelLayout.Entry entry, int residentBlocks) {
        WeightSizes part = entry.part();
        long coming = (long) part.blocks().size() - residentBlocks;
        return part.slotBytes()
                * (coming * entry.catalog().cadence().passes(work) + part.once().size());
    }

    /** Returns what options cost together. */
    Candidate candidate(List<Option> options, int tile) {
        long peak = 0;
        for (Phase phase : phases) {
            peak = Math.max(peak, peak(phase, options, tile));
        }
        return new Candidate(
                List.copyOf(options),
                tile,
                options.stream().mapToLong(Option::moved).sum(),
                peak);
    }

    /** Returns what is in use in a phase. What runs beside the card does not add to what the card needs. */
    private long peak(Phase phase, List<Option> options, int tile) {
        long bytes = machine.base();
        for (Option option : options) {
            Residence residence = option.residence();
            if (residence == null) {
                continue;
            }
            ModelLayout.Entry entry = option.entry();
            boolean runs = entry.runsIn(phase);
            bytes += runs ? option.running() + activity(entry, phase, tile) : option.idle();
            // It goes with the weights that it belongs to.
            if (runs || residence.kind() != Residence.Kind.PARKED) {
                bytes += entry.memory().kept(work);
            }
            if (recording && residence.kind() == Residence.Kind.RESIDENT) {
                bytes += entry.memory().recordings(work);
            }
        }
        return bytes;
    }

    private long activity(ModelLayout.Entry entry, Phase phase, int tile) {
        return activityBytes.computeIfAbsent(
                new Activity(entry.component(), phase, tile),
                each -> entry.memory().activations(phase, work, tile)
                        + (machine.triesConvolutions() ? entry.memory().workspaces(phase, work, tile) : 0));
    }

    private Device device(Option option) {
        Placement placement = ComponentSettings.of(placements, option.entry().component());
        Device elsewhere = placement == null ? null : placement.device();
        return option.residence() != null || elsewhere == null ? machine.device() : elsewhere;
    }

    Plan plan(Candidate chosen) {
        Map<Component, Residence> residences = new HashMap<>();
        Map<Component, Device> devices = new HashMap<>();
        Map<Component, Long> weights = new HashMap<>();
        Map<Phase, Long> peaks = new HashMap<>();
        for (Option option : chosen.options()) {
            Component component = option.entry().component();
            devices.put(component, device(option));
            if (option.residence() != null) {
                residences.put(component, option.residence());
                weights.put(component, option.running());
            }
        }
        phases.forEach(phase -> peaks.put(phase, peak(phase, chosen.options(), chosen.tile())));
        return new Plan(machine, layout, work, residences, devices, chosen.tile(), weights, peaks, chosen.moved());
    }
}
