package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Device;
import io.github.zimage.MemorySize;
import io.github.zimage.Placement;
import io.github.zimage.Precision;
import io.github.zimage.VaeTiling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Finds out where weights should be. There are only some thousand possibilities, so all of them are looked at: of those that fit, the
 * one that moves the fewest bytes of weights a request is taken, so that more memory never gives a slower plan. Among equals, one that
 * decodes whole pictures, keeps whole components, and needs little.
 */
public final class Planner {
    /** One is computed with while the other is filled. */
    static final int SLOTS = 2;

    /** The less happens while a component runs, the better. */
    private static final List<Residence.Kind> COMPLEXITY =
            List.of(Residence.Kind.RESIDENT, Residence.Kind.PARKED, Residence.Kind.STREAMED);

    private static final Comparator<Candidate> BETTER = Comparator.comparingLong(Candidate::moved)
            .thenComparing(candidate -> candidate.tile() > 0)
            .thenComparingInt(Candidate::complexity)
            .thenComparingLong(Candidate::peak);
    private static final Comparator<Candidate> SMALLER =
            Comparator.comparingLong(Candidate::peak).thenComparing(BETTER);

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
        throw new IllegalArgumentException(refusal(machine, work));
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
        if (plan.tile() == 0 && whole.peak(Phase.DECODE) <= plan.machine().limit()) {
            return whole;
        }
        return with(plan.machine(), sameWay, plan.residences(), tiles.get(tiles.size() - 1));
    }

    private Plan with(Machine machine, Workload work, Map<Component, Residence> residences, int tile) {
        Costs costs = new Costs(machine, work);
        List<Option> options = new ArrayList<>();
        for (Component component : Component.values()) {
            options.add(costs.option(component, residences.get(component)));
        }
        return costs.plan(new Candidate(options.get(0), options.get(1), options.get(2), tile, costs));
    }

    /**
     * Returns a plan by which a phase needs less, as far as the user leaves it open: first without cuDNN trying its convolutions, by
     * decoding in tiles, and by drawing one picture after the other where the transformer's weights do not come anew for each; then
     * with the text encoder parked, the transformer streamed, ever fewer of its blocks resident; and last the text encoder streamed,
     * the VAE parked, and one picture after the other in any case. What does not help the phase is left as it is.
     *
     * @param bytes how much less it should need; the steps end where that is reached
     * @return the plan itself if there is no smaller one
     */
    public Plan smaller(Plan plan, Phase phase, long bytes) {
        List<Residence> streamed = new ArrayList<>();
        for (int resident = layout.part(Component.TRANSFORMER).blocks().size() / 2; resident > 0; resident /= 2) {
            streamed.add(Residence.streamed(resident, SLOTS));
        }
        streamed.add(Residence.streamed(0, SLOTS));
        Plan best = plan;
        List<UnaryOperator<Plan>> steps = new ArrayList<>();
        steps.add(each -> tryingConvolutions(each, false));
        steps.add(each -> with(
                each.machine(),
                each.work(),
                each.residences(),
                tiles(each.work()).get(tiles(each.work()).size() - 1)));
        steps.add(each -> isStreamed(each, Component.TRANSFORMER) ? each : onePictureAtATime(each));
        steps.add(each -> with(each, Component.TEXT_ENCODER, Residence.parked()));
        streamed.forEach(residence -> steps.add(each -> with(each, Component.TRANSFORMER, residence)));
        steps.add(each -> with(each, Component.TEXT_ENCODER, Residence.streamed(0, SLOTS)));
        steps.add(each -> with(each, Component.VAE, Residence.parked()));
        steps.add(this::onePictureAtATime);
        for (UnaryOperator<Plan> step : steps) {
            if (plan.peak(phase) - best.peak(phase) >= Math.max(1, bytes)) {
                break;
            }
            Plan next = step.apply(best);
            best = next.peak(phase) < best.peak(phase) && fitsAsWell(next, plan) ? next : best;
        }
        return best;
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
        if (plan.machine().limit() == Long.MAX_VALUE || !plan.residences().containsKey(Component.VAE)) {
            return Long.MAX_VALUE;
        }
        long planned = DecodeMemory.peakBytes(
                layout.vae(), plan.work().height(), plan.work().width(), precision(Component.VAE), plan.tile());
        return Math.max(0, plan.machine().limit() - plan.peak(Phase.DECODE) + planned);
    }

    /** Tells whether no phase needs more than there is, or else more than it did. */
    private static boolean fitsAsWell(Plan next, Plan plan) {
        return Arrays.stream(Phase.values())
                .allMatch(phase -> next.peak(phase) <= Math.max(plan.machine().limit(), plan.peak(phase)));
    }

    private Plan with(Plan plan, Component component, Residence residence) {
        if (!residences(plan.machine(), component).contains(residence)) {
            return plan;
        }
        Map<Component, Residence> residences = new EnumMap<>(plan.residences());
        residences.put(component, residence);
        return with(plan.machine(), plan.work(), residences, plan.tile());
    }

    private @Nullable Plan best(Machine machine, Workload work) {
        Costs costs = new Costs(machine, work);
        return candidates(costs)
                .filter(candidate -> candidate.peak() <= machine.limit())
                .min(BETTER)
                .map(costs::plan)
                .orElse(null);
    }

    private Plan smallest(Machine machine, Workload work) {
        Costs costs = new Costs(machine, work);
        return candidates(costs).min(SMALLER).map(costs::plan).orElseThrow();
    }

    private Stream<Candidate> candidates(Costs costs) {
        List<Option> texts = options(costs, Component.TEXT_ENCODER);
        List<Option> transformers = options(costs, Component.TRANSFORMER);
        List<Option> vaes = options(costs, Component.VAE);
        List<Integer> tiles = tiles(costs.work);
        return texts.stream()
                .flatMap(text -> transformers.stream()
                        .flatMap(transformer -> vaes.stream()
                                .flatMap(vae -> tiles.stream()
                                        .map(tile -> new Candidate(text, transformer, vae, tile, costs)))));
    }

    private List<Option> options(Costs costs, Component component) {
        List<Option> options = new ArrayList<>();
        residences(costs.machine, component).forEach(residence -> options.add(costs.option(component, residence)));
        return options;
    }

    /**
     * One way to keep a component's weights.
     *
     * @param residence null if they are beside the card
     * @param running the bytes on the device while the component runs
     * @param idle the bytes that stay there while it does not
     * @param moved the bytes that come for each request
     */
    private record Option(@Nullable Residence residence, long running, long idle, long moved) {
        int complexity() {
            return residence == null ? 0 : COMPLEXITY.indexOf(residence.kind());
        }
    }

    private record Candidate(Option text, Option transformer, Option vae, int tile, long moved, long peak) {
        Candidate(Option text, Option transformer, Option vae, int tile, Costs costs) {
            this(
                    text,
                    transformer,
                    vae,
                    tile,
                    text.moved + transformer.moved + vae.moved,
                    Math.max(
                            costs.peak(Phase.TEXT, text, tile, text, transformer, vae),
                            Math.max(
                                    costs.peak(Phase.DENOISE, transformer, tile, text, transformer, vae),
                                    costs.peak(Phase.DECODE, vae, tile, text, transformer, vae))));
        }

        int complexity() {
            return text.complexity() + transformer.complexity() + vae.complexity();
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
            for (int resident = 0; canStream(component) && resident < blocks - SLOTS; resident++) {
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

    private Precision precision(Component component) {
        return Objects.requireNonNull(layout.precisions().get(component));
    }

    private boolean canStream(Component component) {
        return precision(component) != Precision.FP8 && !notStreamed.contains(component);
    }

    private void check(Machine machine, Component component, Placement placement) {
        Device device = placement.device();
        if (placement.kind() == Placement.Kind.PARKED && device != null && machine.isCpu()) {
            throw new IllegalArgumentException(
                    "%s cannot be parked on the CPU, because it computes there: park it on the disk"
                            .formatted(name(component)));
        }
        if (placement.kind() == Placement.Kind.STREAMED && !canStream(component)) {
            throw new IllegalArgumentException(
                    "%s cannot be streamed in %s, because its converted weights are not kept: use BF16, or leave it resident%s"
                            .formatted(
                                    name(component),
                                    precision(component),
                                    precision(component) == Precision.INT8 ? ", or set a conversion cache" : ""));
        }
        if (placement.kind() == Placement.Kind.STREAMED
                && layout.part(component).blocks().isEmpty()) {
            throw new IllegalArgumentException("%s cannot be streamed, because it has no equal blocks: park it instead"
                    .formatted(name(component)));
        }
    }

    /** What everything costs that can be chosen, for one kind of work on one machine. */
    private final class Costs {
        private final Machine machine;
        private final Workload work;
        private final Activations activations;
        private final Map<Integer, Map<Phase, Long>> activationBytes = new HashMap<>();

        Costs(Machine machine, Workload work) {
            this.machine = machine;
            this.work = work;
            activations = new Activations(layout, work);
        }

        private long activationBytes(Phase phase, int tile) {
            return activationBytes
                    .computeIfAbsent(tile, t -> new EnumMap<>(Phase.class))
                    .computeIfAbsent(phase, p -> activations.of(p, tile));
        }

        Option option(Component component, @Nullable Residence residence) {
            if (residence == null) {
                return new Option(null, 0, 0, 0);
            }
            ModelLayout.Part part = layout.part(component);
            // A card gets the rows that a prompt needs, which the CPU picks.
            long embeddings = machine.isCpu() ? Math.min(part.embeddings(), activations.embeddingRows()) : 0;
            long whole = part.rest() + part.blockBytes();
            long stays = part.rest() + part.slotBytes() * residence.residentBlocks();
            return switch (residence.kind()) {
                case RESIDENT -> new Option(residence, whole + embeddings, whole + embeddings, 0);
                case PARKED -> new Option(residence, whole + embeddings, 0, whole);
                case STREAMED ->
                    new Option(
                            residence,
                            stays + part.slotBytes() * (residence.slots() + copies(component)) + embeddings,
                            stays,
                            streamed(component, residence.residentBlocks()));
            };
        }

        /** Matrices of 8-bit integers are copied into the form that is multiplied when they have come. */
        private int copies(Component component) {
            return layout.precisions().get(component) == Precision.INT8 ? 1 : 0;
        }

        private long streamed(Component component, int residentBlocks) {
            ModelLayout.Part part = layout.part(component);
            long groups = (work.pictures() - 1L) / work.picturesAtOnce() + 1;
            long runs = component == Component.TEXT_ENCODER ? 1L : groups * work.steps();
            long coming = (long) part.blocks().size() - residentBlocks;
            long once = part.once().size();
            return part.slotBytes() * (coming * runs + once);
        }

        private Device device(Component component, @Nullable Residence residence) {
            Placement placement = placements.get(component);
            Device elsewhere = placement == null ? null : placement.device();
            return residence != null || elsewhere == null ? machine.device() : elsewhere;
        }

        /** Returns what is in use while a component runs. */
        long peak(Phase phase, Option runs, int tile, Option text, Option transformer, Option vae) {
            long idle = machine.base()
                    + text.idle
                    + transformer.idle
                    + vae.idle
                    + recordings(transformer.residence)
                    + modulations(phase, transformer.residence);
            // What runs beside the card does not add to what the card needs.
            if (runs.residence == null) {
                return idle;
            }
            long workspaces = phase == Phase.DECODE && machine.triesConvolutions() ? activations.workspaces(tile) : 0;
            return idle - runs.idle + runs.running + activationBytes(phase, tile) + workspaces;
        }

        /** They go with the weights that they belong to. */
        private long modulations(Phase phase, @Nullable Residence transformer) {
            boolean there =
                    transformer != null && (transformer.kind() != Residence.Kind.PARKED || phase == Phase.DENOISE);
            return there ? activations.modulations() : 0;
        }

        private long recordings(@Nullable Residence transformer) {
            return recording && Residence.resident().equals(transformer) ? activations.recordings() : 0;
        }

        Plan plan(Candidate chosen) {
            Map<Component, Residence> residences = new EnumMap<>(Component.class);
            Map<Component, Device> devices = new EnumMap<>(Component.class);
            Map<Component, Long> weights = new EnumMap<>(Component.class);
            Map<Phase, Long> peaks = new EnumMap<>(Phase.class);
            for (Phase phase : Phase.values()) {
                Option option = switch (phase) {
                    case TEXT -> chosen.text;
                    case DENOISE -> chosen.transformer;
                    case DECODE -> chosen.vae;
                };
                devices.put(phase.component(), device(phase.component(), option.residence));
                if (option.residence != null) {
                    residences.put(phase.component(), option.residence);
                    weights.put(phase.component(), option.running);
                }
                peaks.put(phase, peak(phase, option, chosen.tile, chosen.text, chosen.transformer, chosen.vae));
            }
            return new Plan(machine, layout, work, residences, devices, chosen.tile, weights, peaks, chosen.moved);
        }
    }

    private String refusal(Machine machine, Workload work) {
        Plan smallest = smallest(machine, work);
        long needed = machine.sizeFor(smallest.peak());
        String what = machine.whole() ? "a card" : "a memory budget";
        List<String> remedies = new ArrayList<>();
        if (!placements.isEmpty()) {
            addIfSmaller(
                    remedies,
                    "without the placements that were set",
                    needed,
                    new Planner(layout, Map.of(), tiling, notStreamed),
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
        return machine.whole() ? machine.sizeFor(machine.limit()) : machine.limit();
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
