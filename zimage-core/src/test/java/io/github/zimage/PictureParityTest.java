package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.ParityFixtures.Case;
import io.github.zimage.ParityFixtures.Tensor;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.vae.Moments;
import io.github.zimage.internal.vae.PictureEncoder;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects that pictures are encoded as diffusers' VAE encodes them, whole and in tiles, as {@link ParityTest} does for drawing. */
class PictureParityTest {
    /** Published with the library: what moments may be off by in FP32, as a part of their length. */
    private static final double FP32_LIMIT = 2e-6;

    private static final double BF16_FACTOR = 1.25;

    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    static Stream<Arguments> cases() {
        return ParityFixtures.cases().stream()
                .flatMap(each -> Stream.of(VaeTiling.off(), VaeTiling.ofRows(8), VaeTiling.ofRows(24))
                        .map(tiling -> Arguments.of(each, tiling)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void moments_areThoseOfDiffusers(Case fixture, VaeTiling tiling) throws IOException {
        JsonNode about = new ObjectMapper()
                .readTree(fixture.folder().resolve("pictures.json").toFile());
        Map<String, Tensor> tensors = ParityFixtures.tensors(fixture.folder().resolve("pictures.safetensors"));
        int pictures = about.get("pictures").size();
        assertThat(pictures).isPositive();
        for (int i = 0; i < pictures; i++) {
            Tensor rgb = Objects.requireNonNull(tensors.get("rgb." + i));
            Tensor truth = Objects.requireNonNull(tensors.get("moments." + i));
            String what = "picture %d of %s, %s".formatted(i, rgb.shape(), tiling);
            double fp32 = truth.relativeError(encoded(fixture, Precision.FP32, tiling, rgb));
            assertThat(fp32).as("FP32, %s", what).isLessThanOrEqualTo(FP32_LIMIT);
            double bf16 = truth.relativeError(encoded(fixture, Precision.BF16, tiling, rgb));
            double theirs = about.get("pictures").get(i).get("bf16").doubleValue();
            assertThat(bf16).as("BF16, %s", what).isLessThanOrEqualTo(BF16_FACTOR * theirs);
        }
    }

    /** Returns means and logarithms of variances. */
    private static float[] encoded(Case fixture, Precision precision, VaeTiling tiling, Tensor rgb) {
        Checkpoint checkpoint = Checkpoint.open(fixture.model(), fixture.variant());
        try (PointerScope scope = new PointerScope();
                WeightStore store = store(checkpoint)) {
            PictureEncoder encoder = new PictureEncoder(
                    checkpoint.vae(),
                    store,
                    () -> store(checkpoint),
                    type -> new CpuKernels(AttentionSelector.select(new AttentionBackend("blockwise"), type), type),
                    precision,
                    tiling,
                    () -> Long.MAX_VALUE);
            Moments moments =
                    encoder.encode(bytes(rgb), rgb.shape().get(1), rgb.shape().get(0), () -> {});
            assertThat(List.of(moments.channels(), moments.height(), moments.width()))
                    .isEqualTo(List.of(
                            checkpoint.vae().latentChannels(),
                            rgb.shape().get(0) / checkpoint.vae().scale(),
                            rgb.shape().get(1) / checkpoint.vae().scale()));
            float[] both = new float[2 * moments.mean().length];
            System.arraycopy(moments.mean(), 0, both, 0, moments.mean().length);
            for (int i = 0; i < moments.deviation().length; i++) {
                both[moments.mean().length + i] = (float) (2 * Math.log(moments.deviation()[i]));
            }
            return both;
        }
    }

    private static WeightStore store(Checkpoint checkpoint) {
        return new WeightStore(checkpoint.weights(Component.VAE_ENCODER), done -> {});
    }

    private static byte[] bytes(Tensor rgb) {
        byte[] bytes = new byte[rgb.values().length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) rgb.values()[i];
        }
        return bytes;
    }
}
