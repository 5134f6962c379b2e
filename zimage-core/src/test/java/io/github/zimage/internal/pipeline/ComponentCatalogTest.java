package io.github.zimage.internal.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.placement.Cadence;
import io.github.zimage.internal.placement.Catalog;
import io.github.zimage.internal.placement.CatalogEntry;
import io.github.zimage.internal.placement.ComponentMemory;
import io.github.zimage.internal.placement.Machine;
import io.github.zimage.internal.placement.ModelLayout;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.WeightRoles;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A model may have components beside those that every checkpoint has, or lack one: a list is all that changes. Here a second network
 * runs beside the transformer, and an encoder that shares the VAE's folder has a phase of its own.
 */
class ComponentCatalogTest {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;

    private static final Component CONTROL = new Component("control_test", "controlnet");
    private static final Component ENCODER = new Component("encoder_test", "vae");
    private static final Phase ENCODE = new Phase("encode", "encoding pictures", ENCODER);

    private static final Workload WORK = new Workload(1024, 1024, 1, 1, false, 8, 512, Workload.PICTURES_AT_ONCE);

    private static List<CatalogEntry> threeOf() {
        return Catalog.of(
                new TextEncoderConfig(2560, 36, 32, 8, 128, 9728, 1e-6, 1e6, 151_936, false),
                new TransformerConfig(
                        3840, 30, 2, 30, 1e-5, true, 2560, 16, 256, 1000, List.of(32, 48, 48), List.of(1536, 512, 512)),
                new VaeConfig(16, List.of(128, 256, 512, 512), 2, 32, 0.3611, 0.1159, false, true, 3));
    }

    /** Eight blocks of 64 MiB in BF16 and 32 MiB beside them; keeps 10 MiB while it runs. */
    private static CatalogEntry control() {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        tensors.put("embedder.weight", List.of(16 * MIB));
        for (int i = 0; i < 8; i++) {
            tensors.put("blocks." + i + ".weight", List.of(32L, MIB));
        }
        WeightRoles roles = new WeightRoles(
                Pattern.compile("(blocks\\.\\d+)\\..*"), WeightRoles.NONE, WeightRoles.NONE, WeightRoles.NONE, null);
        return new CatalogEntry(
                CONTROL, tensors, roles, Cadence.STEP, List.of(Phase.DENOISE), (precision, weights) -> needs(10 * MIB));
    }

    /** 100 MiB in BF16 and no blocks; keeps 3 GiB while it runs. */
    private static CatalogEntry encoder() {
        WeightRoles roles =
                new WeightRoles(WeightRoles.NONE, WeightRoles.NONE, WeightRoles.NONE, WeightRoles.NONE, null);
        return new CatalogEntry(
                ENCODER,
                Map.of("conv.weight", List.of(50 * MIB)),
                roles,
                Cadence.PICTURE,
                List.of(ENCODE),
                (precision, weights) -> needs(3 * GIB));
    }

    private static ComponentMemory needs(long bytes) {
        return (phase, work, tile) -> bytes;
    }

    /** The encoder's phase is behind that of the text, the second network behind the transformer. */
    private static ModelLayout five() {
        List<CatalogEntry> entries = new ArrayList<>(threeOf());
        entries.add(1, encoder());
        entries.add(4, control());
        return layout(entries);
    }

    private static ModelLayout layout(List<CatalogEntry> entries) {
        Map<Component, Precision> precisions = new HashMap<>();
        entries.forEach(entry -> precisions.put(entry.component(), Precision.BF16));
        return ModelLayout.of(entries, precisions);
    }

    private static Planner planner(ModelLayout layout, Map<Component, Placement> placements) {
        return new Planner(layout, placements, VaeTiling.auto());
    }

    @Test
    void furtherComponents_areInTheTableAndInThePeaks() {
        Plan plan = planner(five(), Map.of(CONTROL, Placement.streamedFromDisk(), ENCODER, Placement.parkedOnDisk()))
                .plan(Machine.cpu(64 * GIB), WORK);
        MemoryPlan shown = PlanReport.of("model", plan);
        assertThat(shown.parts())
                .extracting(MemoryPlan.Part::component)
                .containsExactly(Component.TEXT_ENCODER, ENCODER, Component.TRANSFORMER, CONTROL, Component.VAE);
        assertThat(shown.peaks().phases().keySet()).containsExactly("text", "encode", "denoise", "decode");
        assertThat(shown.toString())
                .containsPattern(
                        "control_test +cpu +BF16 +0.53 GiB +0.47 GiB  3 of 8 blocks for each step, through 2 slots")
                .containsPattern("encoder_test +cpu +BF16 +0.10 GiB +0.10 GiB  whole, for each request")
                .containsPattern("peak: .*text .*, encode .*, denoise .*, decode .*");
    }

    @Test
    void furtherComponent_countsInItsPhase_andIdleInTheOthers() {
        Machine machine = Machine.cpu(64 * GIB);
        Plan three = planner(layout(threeOf()), Map.of()).plan(machine, WORK);
        Plan five = planner(five(), Map.of()).plan(machine, WORK);
        assertThat(five.moved()).isZero();
        long weights = (544 + 100) * MIB;
        assertThat(five.peak(Phase.TEXT)).isEqualTo(three.peak(Phase.TEXT) + weights);
        assertThat(five.peak(Phase.DENOISE)).isEqualTo(three.peak(Phase.DENOISE) + weights + 10 * MIB);
        assertThat(five.peak(Phase.DECODE)).isEqualTo(three.peak(Phase.DECODE) + weights);
        assertThat(five.peak(ENCODE)).isGreaterThan(3 * GIB + weights);

        Plan parked = planner(five(), Map.of(ENCODER, Placement.parkedOnDisk())).plan(machine, WORK);
        assertThat(parked.peak(Phase.TEXT)).isEqualTo(five.peak(Phase.TEXT) - 100 * MIB);
        assertThat(parked.peak(ENCODE)).isEqualTo(five.peak(ENCODE));
        assertThat(parked.moved()).isEqualTo(100 * MIB);
    }

    @Test
    void furtherComponent_isStreamedInEachStep() {
        Plan resident = planner(five(), Map.of()).plan(Machine.cpu(64 * GIB), WORK);
        Plan plan =
                planner(five(), Map.of(CONTROL, Placement.streamedFromDisk())).plan(Machine.cpu(64 * GIB), WORK);
        // As many stay as make sense: all but the slots and one more.
        assertThat(plan.residences().get(CONTROL)).isEqualTo(Residence.streamed(5, 2));
        assertThat(plan.moved()).isEqualTo(8 * 3 * 64 * MIB);
        assertThat(plan.peak(Phase.DENOISE)).isEqualTo(resident.peak(Phase.DENOISE) - 64 * MIB);
        assertThat(plan.peak(Phase.TEXT)).isEqualTo(resident.peak(Phase.TEXT) - 3 * 64 * MIB);
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 6, 8, 12, 16, 20})
    void furtherComponents_arePlannedWithinTheLimit(int gib) {
        Plan plan = planner(five(), Map.of()).plan(Machine.cpu(gib * GIB), WORK);
        assertThat(plan.peak()).isLessThanOrEqualTo(gib * GIB);
        assertThat(plan.residences()).containsKeys(CONTROL, ENCODER);
        for (Phase phase : plan.layout().phases(plan.work())) {
            Plan smallest = planner(five(), Map.of()).smaller(plan, phase, Long.MAX_VALUE);
            assertThat(smallest.peak(phase)).isLessThanOrEqualTo(plan.peak(phase));
        }
    }

    @Test
    void smallerPlan_givesUpWhatIsFurther() {
        Planner planner = planner(five(), Map.of());
        Plan plan = planner.plan(Machine.cpu(64 * GIB), WORK);
        Plan smallest = planner.smaller(plan, Phase.DENOISE, Long.MAX_VALUE);
        assertThat(smallest.residences().get(CONTROL)).isEqualTo(Residence.streamed(0, 2));
        assertThat(smallest.residences().get(ENCODER)).isEqualTo(Residence.parked());
    }

    // Whoever brings embeddings needs no text encoder.
    @Test
    void absentComponent_needsNothing() {
        List<CatalogEntry> two = threeOf().subList(2, 4);
        Plan plan = planner(layout(two), Map.of()).plan(Machine.cpu(16 * GIB), WORK);
        MemoryPlan shown = PlanReport.of("model", plan);
        assertThat(plan.moved()).isZero();
        assertThat(shown.parts()).hasSize(2);
        assertThat(shown.peaks().phases().keySet()).containsExactly("denoise", "decode");
        assertThat(shown.peaks().of("text")).isZero();
    }

    @Test
    void placementOfWhatIsNotThere_isRefused() {
        assertThatThrownBy(() -> planner(layout(threeOf()), Map.of(CONTROL, Placement.parkedOnDisk())))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("control_test cannot be placed, because the model has no such component: it has"
                        + " [text_encoder, vae_encoder, transformer, vae, upscaler]");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "VAE", "../vae", "vae/x", "1vae", "va\ne"})
    void names_areSafeInPathsAndTables(String name) {
        assertThatThrownBy(() -> new Component("vae", name))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("folder must be");
        assertThatThrownBy(() -> new Component(name, "vae")).hasMessageContaining("id must be");
    }
}
