package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Device;
import io.github.zimage.MemorySize;
import io.github.zimage.Placement;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds out where weights should be. There are only some thousand possibilities, so all of them are looked at: of those that fit, the
 * one that moves the fewest bytes of weights a request is taken, so that more memory never gives a slower plan. Among equals, one that
 * decodes whole pictures, keeps whole components, and needs little.
 */
public final class Planner {
    /** One is computed with while the other is filled. */
    static final int SLOTS = 2;

    private static final Comparator<Plan> BETTER = Comparator.comparingLong(Plan::moved)
            .thenComparing(plan -> plan.tile() > 0)
            .thenComparingInt(plan -> plan.residences().values().stream()
                    .mapToInt(residence -> complexity(residence))
                    .sum())
            .thenComparingLong(plan -> plan.peak());

    private final ModelLayout layout;
    private final Map<Component, Placement> placements;
    private final List<Integer> tiles;

    /**
     * Creates a planner.
     *
     * @param placements what the user wants for some components
     * @param tiles the tiles that a picture may be decoded in; 0 is the whole picture
     */
    public Planner(ModelLayout layout, Map<Component, Placement> placements, List<Integer> tiles) {
        this.layout = layout;
        this.placements = Map.copyOf(placements);
        this.tiles = List.copyOf(tiles);
    }

    /**
     * Returns the best plan that fits.
     *
     * @throws IllegalArgumentException if none does, naming the smallest memory that would do, or if a placement is impossible
     */
    public Plan plan(Machine machine, Workload work) {
        Plan best = best(machine, work);
        if (best != null) {
            return best;
        }
        throw new IllegalArgumentException(refusal(machine, work));
    }

    /** As {@link #plan}, but if none fits, returns the one that needs the least. */
    public Plan planAnyway(Machine machine, Workload work) {
        Plan best = best(machine, work);
        return best != null ? best : smallest(machine, work);
    }

    /** Returns what other work needs with weights where a plan has them. */
    public Plan with(Plan plan, Workload work) {
        return measured(plan.machine(), work, plan.residences(), plan.tile());
    }

    /** Returns how much happens while a component runs. */
    private static int complexity(Residence residence) {
        return switch (residence.kind()) {
            case RESIDENT -> 0;
            case PARKED -> 1;
            case STREAMED -> 2;
        };
    }

    private @Nullable Plan best(Machine machine, Workload work) {
        return candidates(machine, work).stream().filter(Plan::fits).min(BETTER).orElse(null);
    }

    private Plan smallest(Machine machine, Workload work) {
        return candidates(machine, work).stream()
                .min(Comparator.comparingLong((Plan plan) -> plan.peak()).thenComparing(BETTER))
                .orElseThrow();
    }

    private List<Plan> candidates(Machine machine, Workload work) {
        List<Plan> plans = new ArrayList<>();
        for (@Nullable Residence text : residences(machine, Component.TEXT_ENCODER)) {
            for (@Nullable Residence transformer : residences(machine, Component.TRANSFORMER)) {
                for (@Nullable Residence vae : residences(machine, Component.VAE)) {
                    Map<Component, Residence> chosen = new EnumMap<>(Component.class);
                    putUnlessNull(chosen, Component.TEXT_ENCODER, text);
                    putUnlessNull(chosen, Component.TRANSFORMER, transformer);
                    putUnlessNull(chosen, Component.VAE, vae);
                    tiles.forEach(tile -> plans.add(measured(machine, work, chosen, tile)));
                }
            }
        }
        return plans;
    }

    private static void putUnlessNull(
            Map<Component, Residence> chosen, Component component, @Nullable Residence residence) {
        if (residence != null) {
            chosen.put(component, residence);
        }
    }

    /** Returns what the user leaves open for a component; null stands for living on the CPU beside a card. */
    private List<@Nullable Residence> residences(Machine machine, Component component) {
        Placement placement = placements.get(component);
        int blocks = layout.part(component).blocks().size();
        List<@Nullable Residence> residences = new ArrayList<>();
        if (placement == null) {
            residences.add(Residence.resident());
            residences.add(Residence.parked());
            // Where all blocks but the slots stay, these may as well hold the last ones.
            for (int resident = 0; resident < blocks - SLOTS; resident++) {
                residences.add(Residence.streamed(resident, SLOTS));
            }
            return residences;
        }
        check(machine, component, placement);
        switch (placement.kind()) {
            case ON -> residences.add(machine.device().equals(placement.device()) ? Residence.resident() : null);
            case PARKED -> residences.add(Residence.parked());
            case STREAMED -> {
                for (int resident = 0; resident <= Math.max(0, blocks - SLOTS - 1); resident++) {
                    residences.add(Residence.streamed(resident, SLOTS));
                }
            }
        }
        return residences;
    }

    private void check(Machine machine, Component component, Placement placement) {
        Device device = placement.device();
        if (placement.kind() == Placement.Kind.ON
                && device != null
                && device.kind() == Device.Kind.CUDA
                && machine.isCpu()) {
            throw new IllegalArgumentException(
                    "%s cannot be placed on %s: no part of this program computes on graphics cards; leave it on the CPU"
                            .formatted(name(component), device));
        }
        if (placement.kind() == Placement.Kind.PARKED && device != null && machine.isCpu()) {
            throw new IllegalArgumentException(
                    "%s cannot be parked on the CPU, because it computes there: park it on the disk"
                            .formatted(name(component)));
        }
        if (placement.kind() == Placement.Kind.STREAMED
                && layout.part(component).blocks().isEmpty()) {
            throw new IllegalArgumentException("%s cannot be streamed, because it has no equal blocks: park it instead"
                    .formatted(name(component)));
        }
    }

    private Plan measured(Machine machine, Workload work, Map<Component, Residence> residences, int tile) {
        Activations activations = new Activations(layout, work);
        Map<Component, Long> running = new EnumMap<>(Component.class);
        long idle = 0;
        long moved = 0;
        Map<Component, Long> added = new EnumMap<>(Component.class);
        for (Map.Entry<Component, Residence> each : residences.entrySet()) {
            Component component = each.getKey();
            long whileRunning = whileRunning(machine, component, each.getValue(), activations);
            long always = whileIdle(machine, component, each.getValue(), activations);
            running.put(component, whileRunning);
            added.put(component, whileRunning - always);
            idle += always;
            moved += moved(component, each.getValue(), work);
        }
        Map<Phase, Long> peaks = new EnumMap<>(Phase.class);
        for (Phase phase : Phase.values()) {
            // What runs beside the card does not add to what the card needs.
            Long runs = added.get(phase.component());
            peaks.put(phase, machine.base() + idle + (runs == null ? 0 : runs + activations.of(phase, tile)));
        }
        return new Plan(machine, layout, work, residences, tile, running, peaks, moved);
    }

    /** Returns what is on the device of a component while it runs. */
    private long whileRunning(Machine machine, Component component, Residence residence, Activations activations) {
        ModelLayout.Part part = layout.part(component);
        // A card gets the rows that a prompt needs, which the CPU picks.
        long embeddings = machine.isCpu() ? Math.min(part.embeddings(), activations.embeddingRows()) : 0;
        return part.rest()
                + embeddings
                + switch (residence.kind()) {
                    case RESIDENT, PARKED -> part.blockBytes() + part.modulation();
                    case STREAMED -> part.slotBytes() * (residence.residentBlocks() + (long) residence.slots());
                };
    }

    /** Returns what stays of it while it does not. */
    private long whileIdle(Machine machine, Component component, Residence residence, Activations activations) {
        return switch (residence.kind()) {
            case RESIDENT -> whileRunning(machine, component, residence, activations);
            case PARKED -> 0;
            case STREAMED ->
                layout.part(component).rest() + layout.part(component).slotBytes() * residence.residentBlocks();
        };
    }

    private long moved(Component component, Residence residence, Workload work) {
        ModelLayout.Part part = layout.part(component);
        long groups = (work.pictures() - 1L) / Activations.PICTURES_AT_ONCE + 1;
        long runs = component == Component.TEXT_ENCODER ? 1L : groups * work.steps();
        long coming = (long) part.blocks().size() - residence.residentBlocks();
        long once = part.once().size();
        return switch (residence.kind()) {
            case RESIDENT -> 0;
            case PARKED -> part.blockBytes() + part.modulation() + part.rest();
            case STREAMED -> part.slotBytes() * (coming * runs + once) + part.modulation();
        };
    }

    private String refusal(Machine machine, Workload work) {
        Plan smallest = smallest(machine, work);
        long needed = machine.sizeFor(smallest.peak());
        String what = machine.isCpu() ? "a memory budget" : "a card";
        List<String> remedies = new ArrayList<>();
        if (!placements.isEmpty()) {
            addIfSmaller(
                    remedies,
                    "without the placements that were set",
                    needed,
                    new Planner(layout, Map.of(), tiles),
                    machine,
                    work);
        }
        if (work.pictures() > 1) {
            addIfSmaller(remedies, "for one picture at a time", needed, this, machine, work.forOnePicture());
        }
        if (work.width() * (long) work.height() > 512 * 512) {
            addIfSmaller(remedies, "for 512 x 512", needed, this, machine, work.withSize(512, 512));
        }
        return "%s of %s is too small for %s: the smallest that would do has %s%s"
                .formatted(
                        what,
                        new MemorySize(Math.max(1, limitShown(machine))),
                        work,
                        mebibytes(needed),
                        remedies.isEmpty() ? "" : "; " + String.join(", ", remedies));
    }

    private static long limitShown(Machine machine) {
        return machine.isCpu() ? machine.limit() : machine.sizeFor(machine.limit());
    }

    private static void addIfSmaller(
            List<String> remedies, String condition, long needed, Planner planner, Machine machine, Workload work) {
        long other = machine.sizeFor(planner.smallest(machine, work).peak());
        if (other < needed) {
            remedies.add("%s %s".formatted(mebibytes(other), condition));
        }
    }

    /** In the form that can be given as a budget. */
    private static String mebibytes(long bytes) {
        return (bytes >> 20) + "m";
    }

    private static String name(Component component) {
        return component.folder().replace('_', ' ').toLowerCase(Locale.ROOT);
    }
}
