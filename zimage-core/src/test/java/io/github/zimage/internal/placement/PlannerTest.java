package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Nag;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects the promises of a plan, for machines from 1 to 96 GiB that need not be there. */
class PlannerTest {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;
    private static final Pattern SMALLEST = Pattern.compile("the smallest that would do has (\\d+m)");

    private static Planner planner(ModelLayout layout, Map<Component, Placement> placements) {
        return new Planner(layout, placements, VaeTiling.auto());
    }

    private static List<Phase> phases() {
        return Models.turbo(Precision.BF16).phases(Models.work(1024, 1));
    }

    private static Planner turbo() {
        return planner(Models.turbo(Precision.BF16), Map.of());
    }

    private static Residence.Kind kind(Plan plan, Component component) {
        return plan.residences().get(component).kind();
    }

    // The sizes of the published checkpoint: 8.04 and 12.3 GB in BF16, of which the last layer of the text encoder is
    // not loaded.
    @Test
    void weights_areThoseOfTheCheckpoint() {
        ModelLayout layout = Models.turbo(Precision.BF16);
        WeightSizes text = layout.part(Component.TEXT_ENCODER);
        assertThat(text.blocks()).hasSize(35).containsOnly(text.slotBytes());
        assertThat(text.embeddings()).isEqualTo(151_936L * 2560 * 2);
        assertThat(text.bytes() / 1e9).isCloseTo(7.84, within(0.01));

        WeightSizes transformer = layout.part(Component.TRANSFORMER);
        assertThat(transformer.blocks()).hasSize(32).containsOnly(transformer.slotBytes());
        assertThat(transformer.once()).hasSize(2).containsOnly(transformer.slotBytes());
        // 4 products of 3840 x 3840 and 3 of 3840 x 10240 in BF16, and the norms of queries and keys in FP32.
        assertThat(transformer.slotBytes()).isEqualTo(2L * (4 * 3840 * 3840 + 3 * 3840 * 10_240) + 4 * 2 * 128);
        // 32 blocks have one, 4 x 3840 numbers of 256 and a bias, in FP32.
        assertThat(transformer.modulation()).isEqualTo(32L * 4 * (4 * 3840 * 257));
        assertThat(layout.part(Component.VAE).blocks()).isEmpty();
        assertThat(layout.part(Component.VAE).bytes() / 1e6).isCloseTo(99, within(1.0));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void plan_neverNeedsMoreThanThereIs_andMoreMemoryIsNeverSlower(Precision precision) {
        Planner planner = planner(Models.turbo(precision), Map.of());
        for (Workload work : List.of(Models.work(512, 1), Models.work(1024, 4), Models.work(1536, 1))) {
            long moved = Long.MAX_VALUE;
            int refused = 0;
            for (long limit = GIB; limit < 48 * GIB; limit += 512 * MIB) {
                Plan plan;
                try {
                    plan = planner.plan(Machine.cpu(limit), work);
                } catch (IllegalArgumentException e) {
                    assertThat(moved)
                            .as("%d is refused, but less was not", limit)
                            .isEqualTo(Long.MAX_VALUE);
                    refused++;
                    continue;
                }
                assertThat(plan.peak()).isLessThanOrEqualTo(limit);
                assertThat(plan.moved()).isLessThanOrEqualTo(moved);
                moved = plan.moved();
            }
            assertThat(refused).isPositive();
            assertThat(moved).as("with 48 GiB all stays").isZero();
        }
    }

    @Test
    void refusal_namesASizeThatWorks_andNoneBelowDoes() {
        Random random = new Random(1);
        for (int i = 0; i < 60; i++) {
            Map<Component, Placement> placements = new HashMap<>();
            if (random.nextBoolean()) {
                placements.put(
                        Component.TEXT_ENCODER,
                        random.nextBoolean() ? Placement.parkedOnDisk() : Placement.on(Device.cpu()));
            }
            if (random.nextBoolean()) {
                placements.put(
                        Component.TRANSFORMER,
                        random.nextBoolean() ? Placement.streamedFromDisk() : Placement.on(Device.cpu()));
            }
            boolean card = random.nextBoolean();
            Planner planner = planner(Models.turbo(Precision.BF16), placements);
            Workload work = new Workload(
                    16 * (4 + random.nextInt(100)),
                    16 * (4 + random.nextInt(100)),
                    1 + random.nextInt(5),
                    1,
                    random.nextBoolean(),
                    1 + random.nextInt(20),
                    16 + random.nextInt(500),
                    Workload.PICTURES_AT_ONCE);
            String message = refusal(planner, card, MIB, work);
            Matcher matcher = SMALLEST.matcher(message);
            assertThat(matcher.find()).as(message).isTrue();
            long smallest = MemorySize.parse(matcher.group(1)).bytes();
            assertThat(planner.plan(machine(card, smallest), work).fits())
                    .as(message)
                    .isTrue();
            assertThat(refusal(planner, card, smallest - 2 * MIB, work)).isNotEmpty();
        }
    }

    // Two captions, and attention twice, must have room beside the picture.
    @Test
    void guidanceByAttention_isPlannedFor() {
        GenerationRequest request =
                GenerationRequest.builder().prompt("a fox").steps(8).build();
        Planner planner = planner(Models.turbo(Precision.BF16), Map.of());
        long[] peaks = Stream.of(Nag.OFF, Nag.DEFAULT)
                .mapToLong(nag -> planner.plan(
                                Machine.card(80L << 30),
                                Workload.of(request.toBuilder().nag(nag).build(), 512))
                        .peak(Phase.DENOISE))
                .toArray();
        // What 4096 + 2 * 512 rows have more than 4096 + 512, at least one copy of queries, keys and values in BF16.
        assertThat(peaks[1] - peaks[0]).isBetween(3L * 4608 * 3840 * 2 / 2, 1L << 30);
    }

    // Both inputs of a guided picture keep two streams of 4096 + 512 rows in FP32, and have two more while they run.
    @Test
    void firstBlockCache_needsRoomForStreams_andAMaskReadsLess() {
        GenerationRequest.Builder request =
                GenerationRequest.builder().prompt("a fox").steps(28).guidance(4);
        Planner planner = planner(Models.turbo(Precision.BF16), Map.of());
        List<Plan> plans = Stream.of("off", "fb=0.1", "mask=medium")
                .map(cache -> planner.plan(
                        Machine.card(80L << 30),
                        Workload.of(
                                request.sampling(s -> s.withStepCache(StepCache.of(cache)))
                                        .build(),
                                512)))
                .toList();
        assertThat(plans.get(1).peak(Phase.DENOISE) - plans.get(0).peak(Phase.DENOISE))
                .isEqualTo(2L * 2 * 2 * 4608 * 3840 * Float.BYTES);
        assertThat(plans.get(2).peak(Phase.DENOISE)).isEqualTo(plans.get(0).peak(Phase.DENOISE));
        assertThat(plans.get(2).work().steps()).isEqualTo(16);
    }

    private static Machine machine(boolean card, long bytes) {
        return card ? Machine.card(bytes) : Machine.cpu(bytes);
    }

    private static String refusal(Planner planner, boolean card, long bytes, Workload work) {
        try {
            planner.plan(machine(card, bytes), work);
            throw new AssertionError(bytes + " bytes must not suffice for " + work);
        } catch (IllegalArgumentException e) {
            return e.getMessage();
        }
    }

    @Test
    void refusal_saysWhatToChange() {
        Planner planner =
                planner(Models.turbo(Precision.BF16), Map.of(Component.TEXT_ENCODER, Placement.on(Device.cpu())));
        assertThatThrownBy(() -> planner.plan(Machine.cpu(2 * GIB), Models.work(1024, 4)))
                .hasMessageMatching(
                        "a memory budget of 2\\.00 GiB is too small for 4 pictures of 1024 x 1024: the smallest that"
                                + " would do has \\d+m; \\d+m without the placements that were set, \\d+m for one picture at a time,"
                                + " \\d+m for 512 x 512");
    }

    @Test
    void largerWork_neverNeedsLess() {
        Planner planner = turbo();
        long last = 0;
        for (int size = 64; size <= 2048; size += 64) {
            long peak = planner.planAnyway(Machine.cpu(1), Models.work(size, 1)).peak();
            assertThat(peak).as("%d", size).isGreaterThanOrEqualTo(last);
            last = peak;
        }
        last = 0;
        for (int pictures = 1; pictures <= 9; pictures++) {
            long peak = planner.planAnyway(Machine.cpu(1), Models.work(512, pictures))
                    .peak();
            assertThat(peak).as("%d", pictures).isGreaterThan(last);
            last = peak;
        }
    }

    // What a user of each machine gets: nothing is given up before it has to be.
    @ParameterizedTest
    @CsvSource({
        "24, RESIDENT, RESIDENT",
        "16, STREAMED, RESIDENT",
        "8, STREAMED, STREAMED",
        "4, STREAMED, STREAMED",
        "3, STREAMED, STREAMED"
    })
    void processor_keepsWhatFits(int gib, Residence.Kind text, Residence.Kind transformer) {
        Plan plan = turbo().plan(Machine.cpu(gib * GIB), Models.work(512, 1));
        assertThat(kind(plan, Component.TEXT_ENCODER)).isEqualTo(text);
        assertThat(kind(plan, Component.TRANSFORMER)).isEqualTo(transformer);
        assertThat(plan.peak()).isBetween(gib == 24 ? 0 : gib * GIB * 85 / 100, gib * GIB);
    }

    // The set-up that users of 16 GB cards ask for most: only the transformer is offloaded.
    @Test
    void cardOf16_withTheTransformerOffloaded_leavesRoom() {
        Map<Component, Placement> placements = Map.of(
                Component.TEXT_ENCODER, Placement.on(Device.cuda(0)),
                Component.TRANSFORMER, Placement.streamedFrom(Device.cpu()),
                Component.VAE, Placement.on(Device.cuda(0)));
        Plan plan =
                planner(Models.turbo(Precision.BF16), placements).plan(Machine.card(16 * GIB), Models.work(1024, 1));
        assertThat(plan.peak()).isLessThanOrEqualTo((long) (15.2 * GIB));
        assertThat(16 * GIB - plan.peak()).isGreaterThanOrEqualTo((long) (0.8 * GIB));
        assertThat(kind(plan, Component.TRANSFORMER)).isEqualTo(Residence.Kind.STREAMED);
        assertThat(plan.residences().get(Component.TRANSFORMER).residentBlocks())
                .isGreaterThan(10);
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 6, 8, 12, 16, 24, 80})
    void card_drawsTheUsualSizes(int gib) {
        for (int size : new int[] {768, 1024, 1280}) {
            Plan plan = turbo().plan(Machine.card(gib * GIB), Models.work(size, 1));
            assertThat(plan.peak()).isLessThanOrEqualTo(gib * GIB * 95 / 100);
        }
    }

    // Whoever sets a budget, and whose card is as small, need the same.
    @Test
    void budgetOnACard_isPlannedAsACard() {
        Machine card = Machine.card(16 * GIB);
        Machine budget = Machine.partOfCard(Device.cuda(0), card.limit());
        Plan onCard = turbo().plan(card, Models.work(1024, 1));
        Plan withBudget = turbo().plan(budget, Models.work(1024, 1));
        assertThat(withBudget.peaks()).isEqualTo(onCard.peaks());
        assertThat(withBudget.residences()).isEqualTo(onCard.residences());
        assertThatThrownBy(() -> turbo().plan(Machine.partOfCard(Device.cuda(0), GIB), Models.work(1024, 1)))
                .hasMessageStartingWith("a memory budget of 1.00 GiB is too small");
        assertThatThrownBy(() -> turbo().plan(Machine.card(GIB), Models.work(1024, 1)))
                .hasMessageStartingWith("a card of 1.00 GiB is too small");
    }

    // On an H200 0.6 GiB went to trying at 1024 x 1024, which a card of 16 GiB has not got beside the transformer.
    @ParameterizedTest
    @CsvSource({"16, false", "24, true", "80, true"})
    void convolutions_areTriedWhereThereIsRoom(int gib, boolean tries) {
        Planner planner = turbo();
        Plan without = planner.plan(Machine.card(gib * GIB), Models.work(1024, 1));
        Plan plan = planner.tryingConvolutions(without);
        assertThat(plan.triesConvolutions()).isEqualTo(tries);
        assertThat(plan.fits()).isTrue();
        long more = plan.peak(Phase.DECODE) - without.peak(Phase.DECODE);
        assertThat(more / (double) GIB).isCloseTo(tries ? 0.65 : 0, within(0.1));
        assertThat(planner.smaller(plan, Phase.DECODE, 1).triesConvolutions()).isFalse();
    }

    @Test
    void componentBesideTheCard_needsNothingOfIt() {
        Planner planner =
                planner(Models.turbo(Precision.BF16), Map.of(Component.TEXT_ENCODER, Placement.on(Device.cpu())));
        Plan plan = planner.plan(Machine.card(16 * GIB), Models.work(1024, 1));
        assertThat(plan.residences()).doesNotContainKey(Component.TEXT_ENCODER);
        assertThat(kind(plan, Component.TRANSFORMER)).isEqualTo(Residence.Kind.RESIDENT);
        assertThat(plan.moved()).isZero();
    }

    @Test
    void placements_areKept() {
        List<Placement> all = new ArrayList<>(List.of(
                Placement.on(Device.cpu()),
                Placement.parkedOnDisk(),
                Placement.streamedFromDisk(),
                Placement.streamedFrom(Device.cpu())));
        for (Placement placement : all) {
            Plan plan = planner(Models.turbo(Precision.BF16), Map.of(Component.TRANSFORMER, placement))
                    .plan(Machine.cpu(64 * GIB), Models.work(512, 1));
            assertThat(kind(plan, Component.TRANSFORMER))
                    .isEqualTo(
                            switch (placement.kind()) {
                                case ON -> Residence.Kind.RESIDENT;
                                case PARKED -> Residence.Kind.PARKED;
                                case STREAMED -> Residence.Kind.STREAMED;
                            });
            assertThat(kind(plan, Component.TEXT_ENCODER)).isEqualTo(Residence.Kind.RESIDENT);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "vae         | park:cpu   | vae cannot be parked on the CPU, because it computes there",
                "vae         | stream:cpu | vae cannot be streamed, because it has no equal blocks",
            })
    void impossiblePlacement_isRefused(String component, String placement, String message) {
        Planner planner = planner(
                Models.turbo(Precision.BF16), Map.of(new Component(component, component), Placement.parse(placement)));
        assertThatThrownBy(() -> planner.plan(Machine.cpu(64 * GIB), Models.work(512, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(message);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4})
    void modelOfFewBlocks_canBePlanned(int blocks) {
        Plan plan = planner(
                        Models.small(Math.max(1, blocks)), Map.of(Component.TRANSFORMER, Placement.streamedFromDisk()))
                .planAnyway(Machine.cpu(1), Models.work(64, 1));
        assertThat(plan.residences().get(Component.TRANSFORMER).residentBlocks())
                .isZero();
        assertThat(plan.fits()).isFalse();
    }

    @Test
    void otherWork_isMeasuredWithTheWeightsWhereTheyAre() {
        Planner planner = turbo();
        Plan plan = planner.plan(Machine.cpu(8 * GIB), Models.work(512, 1));
        Plan larger = planner.with(plan, Models.work(1536, 4));
        assertThat(larger.residences()).isEqualTo(plan.residences());
        assertThat(larger.peak()).isGreaterThan(plan.peak());
        assertThat(larger.fits()).isFalse();
        assertThat(planner.with(plan, Models.work(256, 1)).fits()).isTrue();
    }

    // At 4096 x 4096 a whole picture needs 17 GiB to be decoded, and all other phases less than 9.
    @Test
    void tiles_areTakenWhereTheyHelp_andOnlyIfTheUserLetsThem() {
        ModelLayout layout = Models.turbo(Precision.BF16);
        Workload large = Models.work(4096, 1);
        Machine machine = Machine.cpu(12 * GIB);
        assertThat(new Planner(layout, Map.of(), VaeTiling.auto())
                        .plan(machine, large)
                        .tile())
                .isEqualTo(16);
        assertThat(new Planner(layout, Map.of(), VaeTiling.auto())
                        .plan(machine, Models.work(512, 1))
                        .tile())
                .isZero();
        assertThat(new Planner(layout, Map.of(), VaeTiling.ofRows(64))
                        .plan(machine, large)
                        .tile())
                .isEqualTo(64);
        assertThatThrownBy(() -> new Planner(layout, Map.of(), VaeTiling.off()).plan(machine, large))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("is too small");
    }

    @ParameterizedTest
    @MethodSource("phases")
    void smallerPlan_needsLessInThePhase_untilNothingIsLeft(Phase phase) {
        Planner planner = turbo();
        Plan plan = planner.plan(Machine.cpu(64 * GIB), Models.work(2048, 1));
        Plan smaller = planner.smaller(plan, phase, 1);
        assertThat(smaller.peak(phase)).isLessThan(plan.peak(phase));
        assertThat(smaller.tile() > 0).as("tiles help decoding only").isEqualTo(phase.equals(Phase.DECODE));
        Plan smallest = planner.smaller(plan, phase, Long.MAX_VALUE);
        assertThat(smallest.peak(phase)).isLessThanOrEqualTo(smaller.peak(phase));
        assertThat(smallest.peak(phase)).isLessThan(6 * GIB);
        assertThat(planner.smaller(smallest, phase, Long.MAX_VALUE).peak(phase)).isEqualTo(smallest.peak(phase));
    }

    // Costs nothing where the weights stay, so it comes first; where they come anew for each picture, last.
    @Test
    void picturesAtOnce_areGivenUpBeforeWeights_unlessTheseAreStreamed() {
        Planner planner = turbo();
        Plan plan = planner.plan(Machine.cpu(64 * GIB), Models.work(1024, 4));
        Plan smaller = planner.smaller(plan, Phase.DENOISE, 1);
        assertThat(smaller.work().picturesAtOnce()).isEqualTo(1);
        assertThat(smaller.residences()).isEqualTo(plan.residences());
        assertThat(smaller.peak(Phase.DENOISE)).isLessThan(plan.peak(Phase.DENOISE));
        assertThat(smaller.moved()).isEqualTo(plan.moved());
        assertThat(planner.with(smaller, Models.work(512, 8)).work().picturesAtOnce())
                .as("stays so for other work")
                .isEqualTo(1);

        Planner streaming =
                planner(Models.turbo(Precision.BF16), Map.of(Component.TRANSFORMER, Placement.streamedFromDisk()));
        Plan streamed = streaming.plan(Machine.cpu(8 * GIB), Models.work(1024, 4));
        assertThat(streaming.smaller(streamed, Phase.DENOISE, 1).work().picturesAtOnce())
                .isEqualTo(Workload.PICTURES_AT_ONCE);
        Plan smallest = streaming.smaller(streamed, Phase.DENOISE, Long.MAX_VALUE);
        assertThat(smallest.work().picturesAtOnce()).isEqualTo(1);
        assertThat(smallest.moved()).isGreaterThan(streamed.moved());
    }

    // What decodes looks at the room, so both must come to the same.
    @ParameterizedTest
    @CsvSource({"8, 1024", "16, 1024", "16, 2048", "24, 1024", "24, 4096"})
    void roomToDecode_isThatOfThePlan(int gib, int size) {
        Planner planner = turbo();
        Plan plan = planner.plan(Machine.card(gib * GIB), Models.work(size, 1));
        long whole = DecodeMemory.peakBytes(Models.TURBO_VAE, size, size, Precision.BF16, 0);
        long tiled = DecodeMemory.peakBytes(
                Models.TURBO_VAE, size, size, Precision.BF16, DecodeMemory.rowsAtOnce(VaeTiling.auto(), size));
        if (plan.tile() == 0) {
            assertThat(planner.roomToDecode(plan)).isGreaterThanOrEqualTo(whole);
        } else {
            assertThat(planner.roomToDecode(plan)).isBetween(tiled, whole - 1);
        }
    }

    @Test
    void largerPicture_isDecodedInTiles_whereItDoesNotFitWhole() {
        Planner planner = turbo();
        Plan plan = planner.plan(Machine.card(24 * GIB), Models.work(1024, 1));
        assertThat(plan.tile()).isZero();
        assertThat(planner.with(plan, Models.work(1280, 1)).tile()).isZero();
        Plan large = planner.with(plan, Models.work(2048, 1));
        assertThat(large.tile()).isPositive();
        assertThat(large.fits()).isTrue();
    }

    @Test
    void smallerPlan_keepsToThePlacements() {
        Map<Component, Placement> placements = new HashMap<>();
        for (Component component : Component.values()) {
            placements.put(component, Placement.on(Device.cpu()));
        }
        Planner planner = new Planner(Models.turbo(Precision.BF16), placements, VaeTiling.off());
        Plan plan = planner.plan(Machine.cpu(64 * GIB), Models.work(1024, 1));
        for (Phase phase : phases()) {
            assertThat(planner.smaller(plan, phase, Long.MAX_VALUE)).isEqualTo(plan);
        }
    }
}
