package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.ParityFixtures.Case;
import io.github.zimage.ParityFixtures.Tensor;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.vae.Moments;
import io.github.zimage.internal.vae.PictureEncoder;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.VaeTiling;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects that pictures are encoded and edited as diffusers does it, as {@link ParityTest} does for drawing. */
class PictureParityTest {
    /** Published with the library: what moments may be off by in FP32, as a part of their length. */
    private static final double FP32_LIMIT = 2e-6;

    private static final double FP32_FACTOR = 8;
    private static final double BF16_FACTOR = 1.25;

    /** As in {@link ParityTest}. */
    private static final double FP32_FLOOR = 3e-7;

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
        JsonNode about = about(fixture);
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

    static Stream<Case> everyCase() {
        return ParityFixtures.cases().stream();
    }

    // img2img and inpainting, with strength in whole steps and continuous, with and without guidance.
    @ParameterizedTest
    @MethodSource("everyCase")
    void editedLatents_areThoseOfDiffusers(Case fixture) throws IOException {
        JsonNode edits = about(fixture).get("edits");
        Map<String, Tensor> tensors = ParityFixtures.tensors(fixture.folder().resolve("pictures.safetensors"));
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            try (ZImagePipeline pipeline = pipeline(fixture, precision)) {
                for (int i = 0; i < edits.size(); i++) {
                    JsonNode edit = edits.get(i);
                    GeneratedImage image = pipeline.generate(request(edit, i, tensors));
                    double error = Objects.requireNonNull(tensors.get("edit." + i + ".latents"))
                            .relativeError(image.latents().values());
                    double theirs = edit.get(precision == Precision.FP32 ? "fp32" : "bf16")
                            .doubleValue();
                    double allowed = precision == Precision.FP32
                            ? FP32_FACTOR * Math.max(theirs, FP32_FLOOR)
                            : BF16_FACTOR * theirs;
                    assertThat(error)
                            .as("%s of %s in %s, diffusers %.1e", edit, fixture, precision, theirs)
                            .isLessThanOrEqualTo(allowed);
                }
            }
        }
    }

    // Without edits that were looked at, the test above would hold of anything.
    @Test
    void committedEdits_areOfAllKinds() throws IOException {
        assumeTrue(System.getProperty("zimage.parity") == null);
        List<String> kinds = new ArrayList<>();
        for (Case each : ParityFixtures.cases()) {
            about(each)
                    .get("edits")
                    .forEach(edit ->
                            kinds.add(edit.get("kind").textValue() + (edit.has("continuous") ? " continuous" : "")));
        }
        assertThat(kinds).contains("img2img", "img2img continuous", "inpaint", "inpaint continuous");
    }

    private static GenerationRequest request(JsonNode edit, int index, Map<String, Tensor> tensors) {
        ImageToImage from = ImageToImage.of(image(Objects.requireNonNull(tensors.get("edit." + index + ".rgb"))))
                .strength(edit.get("strength").doubleValue())
                .strengthMode(
                        edit.has("continuous")
                                ? ImageToImage.StrengthMode.CONTINUOUS
                                : ImageToImage.StrengthMode.STEPPED);
        Tensor mask = tensors.get("edit." + index + ".mask");
        if (mask != null) {
            from = from.mask(image(mask)).maskCells(ImageToImage.MaskCells.CORNER);
        }
        return GenerationRequest.builder()
                .prompt(edit.get("prompt").textValue())
                .steps(edit.get("steps").intValue())
                .guidance(edit.get("guidance").doubleValue())
                .seed(edit.get("seed").longValue())
                .size(edit.get("width").intValue(), edit.get("height").intValue())
                .imageToImage(from.fit(ImageToImage.Fit.STRETCH))
                .build();
    }

    /** Returns a picture [H, W, 3] or [H, W] of levels. */
    private static SourceImage image(Tensor levels) {
        int height = levels.shape().get(0);
        int width = levels.shape().get(1);
        int bands = levels.shape().size() == 3 ? 3 : 1;
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < width * height; i++) {
            int red = (int) levels.values()[bands * i];
            int green = (int) levels.values()[bands * i + (bands == 3 ? 1 : 0)];
            int blue = (int) levels.values()[bands * i + (bands == 3 ? 2 : 0)];
            image.setRGB(i % width, i / width, red << 16 | green << 8 | blue);
        }
        return SourceImage.of(image);
    }

    private static ZImagePipeline pipeline(Case fixture, Precision precision) {
        PipelineBuilder builder =
                ZImagePipeline.builder().model(fixture.model()).precision(precision);
        if (fixture.variant() != null) {
            builder.variant(fixture.variant());
        }
        return builder.build();
    }

    private static JsonNode about(Case fixture) throws IOException {
        return new ObjectMapper()
                .readTree(fixture.folder().resolve("pictures.json").toFile());
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
                    TileChoice.of(tiling));
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
