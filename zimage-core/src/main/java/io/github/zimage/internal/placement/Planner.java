package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Finds out where weights should be. All possibilities are considered: of those that fit, the one that moves the fewest bytes of
 * weights a request is taken, so that more memory never gives a slower plan. Among equals, one that decodes whole pictures, keeps whole
 * components, and needs little.
 */
public final class Planner {
    /** One is computed with while the other is filled. */
    static final int SLOTS = 2;

    private final ModelLayout layout;
    private final Map<Component, Placement> placements;
    private final VaeTiling tiling;
    private final Set<Component> notStreamed;
    private final boolean recording;

    /** As the other one, for a model of which every component with blocks can be streamed. */
    public Planner(ModelLayout layout, Map<Component, Placement> placements, VaeTiling tiling) {
        this(layout, placements, tiling, Set.of());
    }

    /**
     * Creates a planner.
     *
     * @param placements what the user wants for some components
     * @param tiling what the user wants for the decoding
     * @param notStreamed components in INT8 whose 8-bit integers are on no disk
     * @throws IllegalArgumentException if a component is placed that the model does not have
     */
    public Planner(
            ModelLayout layout, Map<Component, Placement> placements, VaeTiling tiling, Set<Component> notStreamed) {
        this(layout, placements, tiling, notStreamed, false);
    }

    private Planner(
            ModelLayout layout,
            Map<Component, Placement> placements,
            VaeTiling tiling,
            Set<Component> notStreamed,
            boolean recording) {
        this.layout = layout;
        this.placements = Map.copyOf(placements);
        this.tiling = tiling;
        this.notStreamed = Set.copyOf(notStreamed);
        this.recording = recording;
        for (Component component : placements.keySet()) {
            if (!layout.has(component)) {
                throw new IllegalArgumentException(
                        "%s cannot be placed, because the model has no such component: it has %s"
                                .formatted(
                                        component,
                                        layout.entries().stream()
                                                .map(ModelLayout.Entry::component)
                                                .toList()));
            }
        }
    }

    /** Returns the same planner with or without room for recordings of the transformer's work, where its weights stay. */
    public Planner recording(boolean room) {
        return new Planner(layout, placements, tiling, notStreamed, room);
    }

    /** Returns whether there is room for recordings in its plans. */
    public boolean isRecording() {
        return recording;
    }

    /** Returns how many rows of a picture may be decoded at a time; 0 is the whole picture. */
    private List<Integer> tiles(Workload work) {
        int rows = DecodeMemory.rowsAtOnce(tiling, work.width());
        return switch (tiling.mode()) {
            case AUTO -> List.of(0, rows);
            case ON -> List.of(rows);
            case OFF -> List.of(0);
        };
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
        Planner free = new Planner(layout, Map.of(), tiling, notStreamed);
        throw new IllegalArgumentException(new PlanRefusal(
                        machine,
                        work,
                        each -> smallest(machine, each).peak(),
                        placements.isEmpty()
                                ? null
                                : each -> free.smallest(machine, each).peak())
                .message());
    }

    /** As {@link #plan}, but if none fits, returns the one that needs the least. */
    public Plan planAnyway(Machine machine, Workload work) {
        Plan best = best(machine, work);
        return best != null ? best : smallest(machine, work);
    }

    /** Returns the plan with room for cuDNN to try its convolutions, or as it is if it has no such room to spare. */
    public Plan tryingConvolutions(Plan plan) {
        Plan trying = tryingConvolutions(plan, true);
        return trying.fits() ? trying : plan;
    }

    private Plan tryingConvolutions(Plan plan, boolean tries) {
        return with(plan.machine().tryingConvolutions(tries), plan.work(), plan.residences(), plan.tile());
    }

    /** Returns what other work needs with weights where a plan has them. */
    public Plan with(Plan plan, Workload work) {
        Workload sameWay = work.withPicturesAtOnce(plan.work().picturesAtOnce());
        List<Integer> tiles = tiles(work);
        Plan whole = with(plan.machine(), sameWay, plan.residences(), tiles.get(0));
        if (plan.tile() == 0 && hasRoomForWholePictures(whole)) {
            return whole;
        }
        return with(plan.machine(), sameWay, plan.residences(), tiles.get(tiles.size() - 1));
    }

    private static boolean hasRoomForWholePictures(Plan plan) {
        return Stream.of(Phase.ENCODE, Phase.DECODE, Phase.UPSCALE)
                .filter(plan.peaks()::containsKey)
                .allMatch(phase -> plan.peak(phase) <= plan.machine().limit());
    }

    private Plan with(Machine machine, Workload work, Map<Component, Residence> residences, int tile) {
        PlanCosts costs = costs(machine, work);
        List<PlanCosts.Option> options = new ArrayList<>();
        for (ModelLayout.Entry entry : layout.entries()) {
            options.add(costs.option(entry, residences.get(entry.component())));
        }
        return costs.plan(costs.candidate(options, tile));
    }

    private PlanCosts costs(Machine machine, Workload work) {
        return new PlanCosts(layout, placements, recording, machine, work);
    }

    /**
     * Returns a plan by which a phase needs less, as far as the user leaves it open: first without cuDNN trying its convolutions, by
     * decoding in tiles, and by drawing one picture after the other where weights do not come anew for each; then with what runs once
     * a request parked, what runs in each step streamed, ever fewer of its blocks resident; and last the former streamed, what has no
     * blocks parked, and one picture after the other in any case. What does not help the phase is left as it is.
     *
     * @param bytes how much less it should need; the steps end where that is reached
     * @return the plan itself if there is no smaller one
     */
    public Plan smaller(Plan plan, Phase phase, long bytes) {
        Plan best = plan;
        for (UnaryOperator<Plan> step : smallerSteps()) {
            if (plan.peak(phase) - best.peak(phase) >= Math.max(1, bytes)) {
                break;
            }
            Plan next = step.apply(best);
            best = next.peak(phase) < best.peak(phase) && fitsAsWell(next, plan) ? next : best;
        }
        return best;
    }

    private List<UnaryOperator<Plan>> smallerSteps() {
        List<UnaryOperator<Plan>> steps = new ArrayList<>();
        steps.add(each -> tryingConvolutions(each, false));
        steps.add(each -> with(each.machine(), each.work(), each.residences(), lastTile(each.work())));
        steps.add(each -> streamsInSteps(each) ? each : onePictureAtATime(each));
        for (ModelLayout.Entry entry : layout.entries()) {
            if (hasBlocks(entry) && !runsInSteps(entry)) {
                steps.add(each -> with(each, entry, Residence.parked()));
            }
        }
        for (ModelLayout.Entry entry : layout.entries()) {
            if (hasBlocks(entry) && runsInSteps(entry)) {
                for (int blocks = entry.part().blocks().size() / 2; blocks > 0; blocks /= 2) {
                    Residence residence = Residence.streamed(blocks, SLOTS);
                    steps.add(each -> with(each, entry, residence));
                }
                steps.add(each -> with(each, entry, Residence.streamed(0, SLOTS)));
            }
        }
        for (ModelLayout.Entry entry : layout.entries()) {
            if (hasBlocks(entry) && !runsInSteps(entry)) {
                steps.add(each -> with(each, entry, Residence.streamed(0, SLOTS)));
            }
        }
        for (ModelLayout.Entry entry : layout.entries()) {
            if (!hasBlocks(entry)) {
                steps.add(each -> with(each, entry, Residence.parked()));
            }
        }
        steps.add(this::onePictureAtATime);
        return steps;
    }

    private static boolean hasBlocks(ModelLayout.Entry entry) {
        return !entry.part().blocks().isEmpty();
    }

    private static boolean runsInSteps(ModelLayout.Entry entry) {
        return entry.catalog().cadence().isInSteps();
    }

    private boolean streamsInSteps(Plan plan) {
        return layout.entries().stream()
                .filter(Planner::runsInSteps)
                .anyMatch(entry -> isStreamed(plan, entry.component()));
    }

    private int lastTile(Workload work) {
        List<Integer> tiles = tiles(work);
        return tiles.get(tiles.size() - 1);
    }

    private static boolean isStreamed(Plan plan, Component component) {
        Residence residence = plan.residences().get(component);
        return residence != null && residence.kind() == Residence.Kind.STREAMED;
    }

    private Plan onePictureAtATime(Plan plan) {
        return with(plan.machine(), plan.work().withPicturesAtOnce(1), plan.residences(), plan.tile());
    }

    /**
     * Returns how many bytes decoding a picture may take, so that a plan's limit is kept with its weights where they are; {@link
     * Long#MAX_VALUE} if that is not known, or if pictures are decoded beside the card.
     */
    public long roomToDecode(Plan plan) {
        Component decoder = Phase.DECODE.component();
        if (plan.machine().limit() == Long.MAX_VALUE || !plan.residences().containsKey(decoder)) {
            return Long.MAX_VALUE;
        }
        long planned = layout.entry(decoder).memory().decoding(plan.work(), plan.tile());
        return Math.max(0, plan.machine().limit() - plan.peak(Phase.DECODE) + planned);
    }

    /** Tells whether no phase needs more than there is, or else more than it did. */
    private static boolean fitsAsWell(Plan next, Plan plan) {
        return plan.layout().phases(plan.work()).stream()
                .allMatch(phase -> next.peak(phase) <= Math.max(plan.machine().limit(), plan.peak(phase)));
    }

    private Plan with(Plan plan, ModelLayout.Entry entry, Residence residence) {
        if (!residences(plan.machine(), plan.work(), entry).contains(residence)) {
            return plan;
        }
        Map<Component, Residence> residences = new HashMap<>(plan.residences());
        residences.put(entry.component(), residence);
        return with(plan.machine(), plan.work(), residences, plan.tile());
    }

    private @Nullable Plan best(Machine machine, Workload work) {
        return found(machine, work, false);
    }

    /** Returns the plan that needs the least. */
    Plan smallest(Machine machine, Workload work) {
        return Objects.requireNonNull(found(machine, work, true));
    }

    private @Nullable Plan found(Machine machine, Workload work, boolean smallest) {
        PlanCosts costs = costs(machine, work);
        List<List<PlanCosts.Option>> options = new ArrayList<>();
        for (ModelLayout.Entry entry : layout.entries()) {
            List<PlanCosts.Option> some = new ArrayList<>();
            residences(machine, work, entry).forEach(residence -> some.add(costs.option(entry, residence)));
            options.add(some);
        }
        PlanCosts.Candidate best = new PlanSearch(costs, options, tiles(work), smallest).best();
        return best == null ? null : costs.plan(best);
    }

    /** Returns what the user leaves open for a component; null stands for living on the CPU beside a card. */
    private List<@Nullable Residence> residences(Machine machine, Workload work, ModelLayout.Entry entry) {
        Placement placement = ComponentSettings.of(placements, entry.component());
        int blocks = entry.part().blocks().size();
        List<@Nullable Residence> residences = new ArrayList<>();
        if (!entry.runsFor(work) && !placements.containsKey(entry.component())) {
            residences.add(isElsewhere(machine, placement) ? null : Residence.parked());
            return residences;
        }
        if (placement == null) {
            residences.add(Residence.resident());
            residences.add(Residence.parked());
            // Where all blocks but the slots stay, these may as well hold the last ones.
            for (int resident = 0; canStream(entry) && resident < blocks - SLOTS; resident++) {
                residences.add(Residence.streamed(resident, SLOTS));
            }
            return residences;
        }
        check(machine, entry, placement);
        switch (placement.kind()) {
            case ON -> residences.add(isElsewhere(machine, placement) ? null : Residence.resident());
            case PARKED -> residences.add(Residence.parked());
            case STREAMED -> {
                for (int resident = 0; resident <= Math.max(0, blocks - SLOTS - 1); resident++) {
                    residences.add(Residence.streamed(resident, SLOTS));
                }
            }
        }
        return residences;
    }

    private static boolean isElsewhere(Machine machine, @Nullable Placement placement) {
        return placement != null
                && placement.kind() == Placement.Kind.ON
                && !machine.device().equals(placement.device());
    }

    private boolean canStream(ModelLayout.Entry entry) {
        return entry.precision() != Precision.FP8 && !notStreamed.contains(entry.component());
    }

    private void check(Machine machine, ModelLayout.Entry entry, Placement placement) {
        Device device = placement.device();
        if (placement.kind() == Placement.Kind.PARKED && device != null && machine.isCpu()) {
            throw new IllegalArgumentException(
                    "%s cannot be parked on the CPU, because it computes there: park it on the disk"
                            .formatted(name(entry)));
        }
        if (placement.kind() == Placement.Kind.STREAMED && !canStream(entry)) {
            throw new IllegalArgumentException(
                    "%s cannot be streamed in %s, because its converted weights are not kept: use BF16, or leave it resident%s"
                            .formatted(
                                    name(entry),
                                    entry.precision(),
                                    entry.precision() == Precision.INT8 ? ", or set a conversion cache" : ""));
        }
        if (placement.kind() == Placement.Kind.STREAMED && entry.part().blocks().isEmpty()) {
            throw new IllegalArgumentException(
                    "%s cannot be streamed, because it has no equal blocks: park it instead".formatted(name(entry)));
        }
    }

    private static String name(ModelLayout.Entry entry) {
        return entry.component().id().replace('_', ' ');
    }
}
