package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Protects that pictures which start from a picture are planned with the encoder and its phase, and that others are planned without. */
final class EncodeMemoryTest {
    private static final Workload FROM_NOISE = Models.work(1024, 1);
    private static final Workload FROM_PICTURE = FROM_NOISE.startingFromPicture();

    private static Planner planner(Map<Component, Placement> placements) {
        return new Planner(Models.turbo(Precision.BF16), placements, VaeTiling.auto());
    }

    // What is alive is the input, two convolutions and a norm, of 128 channels each.
    @ParameterizedTest
    @EnumSource(names = {"BF16", "FP32"})
    void encodingTakesNoMoreThanDecoding_andLessInTiles(Precision precision) {
        long whole = EncodeMemory.peakBytes(Models.TURBO_VAE, 1024, 1024, precision, 0);
        assertThat(whole).isEqualTo(4L * 128 * 1024 * 1024 * precision.bytes());
        assertThat(whole).isLessThanOrEqualTo(DecodeMemory.peakBytes(Models.TURBO_VAE, 1024, 1024, precision, 0));
        long tiled = EncodeMemory.peakBytes(Models.TURBO_VAE, 1024, 1024, precision, 64);
        assertThat(tiled).isBetween(whole / 2, whole * 3 / 4);
    }

    @Test
    void picturesFromNoise_areAsIfThereWereNoEncoder() {
        Plan plan = planner(Map.of()).plan(Machine.cpu(64L << 30), FROM_NOISE);
        assertThat(plan.layout().phases(plan.work())).containsExactly(Phase.TEXT, Phase.DENOISE, Phase.DECODE);
        assertThat(plan.residences()).containsEntry(Component.VAE_ENCODER, Residence.parked());
        assertThat(plan.moved()).isZero();
        assertThat(plan.peaks()).doesNotContainKey(Phase.ENCODE);
    }

    @Test
    void picturesFromAPicture_haveAPhaseMore_andTheEncoderStaysWhereItFits() {
        Plan without = planner(Map.of()).plan(Machine.cpu(64L << 30), FROM_NOISE);
        Plan plan = planner(Map.of()).plan(Machine.cpu(64L << 30), FROM_PICTURE);
        assertThat(plan.layout().phases(plan.work()))
                .containsExactly(Phase.TEXT, Phase.ENCODE, Phase.DENOISE, Phase.DECODE);
        assertThat(plan.residences()).containsEntry(Component.VAE_ENCODER, Residence.resident());
        long weights = plan.bytesOf(Component.VAE_ENCODER);
        // 34,274,208 parameters, of which those of the last norm and convolution are FP32.
        assertThat(weights).isBetween(2 * 34_274_208L, 2 * 34_274_208L + (1 << 20));
        assertThat(plan.peak(Phase.DENOISE) - without.peak(Phase.DENOISE)).isBetween(weights, weights + (16L << 20));
        assertThat(plan.peak(Phase.ENCODE)).isLessThanOrEqualTo(plan.peak(Phase.DECODE));
    }

    // A pipeline that was planned for prompts alone draws from a picture, too.
    @Test
    void planForPrompts_tellsWhatAPictureWouldNeed() {
        Plan plan = planner(Map.of()).plan(Machine.cpu(64L << 30), FROM_NOISE);
        Plan other = planner(Map.of()).with(plan, FROM_PICTURE);
        assertThat(other.peak(Phase.ENCODE)).isGreaterThan(1L << 29);
        assertThat(other.moved()).isEqualTo(other.bytesOf(Component.VAE_ENCODER));
    }

    @ParameterizedTest
    @CsvSource({"5", "6", "8", "12", "16", "20"})
    void plansKeepToTheLimit(int gib) {
        MemorySize limit = MemorySize.gib(gib);
        Plan plan = planner(Map.of()).plan(Machine.cpu(limit.bytes()), FROM_PICTURE);
        assertThat(plan.peak()).isLessThanOrEqualTo(limit.bytes());
        assertThat(planner(Map.of()).smaller(plan, Phase.ENCODE, Long.MAX_VALUE).peak(Phase.ENCODE))
                .isLessThanOrEqualTo(plan.peak(Phase.ENCODE));
    }

    // Who computes the VAE beside the card means both halves, unless he says otherwise.
    @Test
    void encoder_isWhereTheDecoderWasPlaced() {
        Machine card = Machine.card(24L << 30);
        Map<Component, Placement> beside = Map.of(Component.VAE, Placement.on(Device.cpu()));
        for (Workload work : new Workload[] {FROM_NOISE, FROM_PICTURE}) {
            Plan plan = planner(beside).plan(card, work);
            assertThat(plan.devices()).containsEntry(Component.VAE_ENCODER, Device.cpu());
            assertThat(plan.residences()).doesNotContainKey(Component.VAE_ENCODER);
        }
        Plan own = planner(Map.of(
                        Component.VAE, Placement.on(Device.cpu()),
                        Component.VAE_ENCODER, Placement.on(Device.cuda(0))))
                .plan(card, FROM_PICTURE);
        assertThat(own.devices()).containsEntry(Component.VAE_ENCODER, Device.cuda(0));
    }
}
