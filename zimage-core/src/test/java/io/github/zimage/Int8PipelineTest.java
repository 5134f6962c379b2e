package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.placement.Placement;
import io.github.zimage.tuning.RuntimeInfo;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects pictures drawn with 8-bit integers: near to those of FP32, and named as what they are. */
final class Int8PipelineTest {
    /**
     * Of the picture against FP32. A layer that takes another's scales, or rows that are not turned as their weight is, gives a
     * picture that has nothing to do with it, about 10 dB.
     */
    private static final double DECIBELS = 30;

    @TempDir
    private Path folder;

    @Test
    void pictures_areNearThoseOfFp32() {
        assumeTrue(RuntimeInfo.probe().supports(Precision.INT8), "this processor has no instructions for it");
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a red fox in the snow")
                .size(128, 64)
                .steps(4)
                .seed(3)
                .build();
        GeneratedImage expected;
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            expected = pipeline.generate(request);
        }
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .model(TinyModel.write(folder))
                .precision(Precision.INT8)
                .build()) {
            GeneratedImage image = pipeline.generate(request);
            assertThat(image.latents().values())
                    .as("it does compute in something else")
                    .isNotEqualTo(expected.latents().values());
            assertThat(Psnr.decibels(image.rgb(), expected.rgb())).isGreaterThan(DECIBELS);
            ImageParameters parameters = Objects.requireNonNull(image.parameters());
            assertThat(parameters.precision()).isEqualTo(Precision.INT8);
            assertThat(parameters.vaePrecision())
                    .as("there is no VAE of 8-bit integers")
                    .isEqualTo(Precision.BF16);
            assertThat(pipeline.generate(request).rgb())
                    .as("drawn again, it is the same")
                    .isEqualTo(image.rgb());
        }
    }

    // Rounded when it is loaded, kept rounded, or brought block by block and multiplied without being packed: the
    // same numbers.
    @Test
    void pictures_areTheSameWhereverTheWeightsComeFrom() {
        assumeTrue(RuntimeInfo.probe().supports(Precision.INT8), "this processor has no instructions for it");
        Path model = TinyModel.write(folder);
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a red fox in the snow")
                .size(64, 64)
                .steps(2)
                .seed(3)
                .build();
        ConversionCache cache = ConversionCache.in(folder.resolve("cache"));
        Supplier<PipelineBuilder> builder =
                () -> ZImagePipeline.builder().model(model).precision(Precision.INT8);
        byte[] expected = draw(builder.get().conversionCache(ConversionCache.off()), request);
        assertThat(draw(builder.get().conversionCache(cache), request))
                .as("converted and kept")
                .isEqualTo(expected);
        assertThat(draw(builder.get().conversionCache(cache), request))
                .as("taken from there")
                .isEqualTo(expected);
        assertThat(draw(
                        builder.get()
                                .conversionCache(cache)
                                .place(Component.TRANSFORMER, Placement.streamedFromDisk())
                                .place(Component.TEXT_ENCODER, Placement.streamedFromDisk()),
                        request))
                .as("streamed from there")
                .isEqualTo(expected);
    }

    private static byte[] draw(PipelineBuilder builder, GenerationRequest request) {
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generate(request).rgb();
        }
    }

    @Test
    void streamingOfWhatIsNotKept_isRefused() {
        PipelineBuilder builder = TinyModel.pipeline(folder)
                .precision(Precision.INT8)
                .conversionCache(ConversionCache.off())
                .place(Component.TRANSFORMER, Placement.streamedFromDisk());
        assertThatThrownBy(builder::build)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "transformer cannot be streamed in INT8, because its converted weights are not kept: use BF16,"
                                + " or leave it resident, or set a conversion cache");
    }

    // A plan that counts two bytes a weight would refuse budgets that suffice, one that counts a byte for all would
    // break them.
    @Test
    void plan_countsAByteForTheBlocksWeights() {
        PipelineBuilder builder = TinyModel.pipeline(folder);
        long bf16 = weights(builder.precision(Precision.BF16));
        long int8 = weights(builder.precision(Precision.INT8));
        int blocks = 5;
        long blockWeights = 4 * 96 * 96 + 3 * 96 * 256; // attention and feed-forward
        long rows = 5 * 96 + 2 * 256; // each has a scale and a zero point
        assertThat(bf16 - int8).isEqualTo(blocks * (blockWeights - 8 * rows));
    }

    private static long weights(PipelineBuilder builder) {
        return builder.plan().parts().stream()
                .filter(part -> part.component().equals(Component.TRANSFORMER))
                .findFirst()
                .orElseThrow()
                .bytes();
    }

    @Test
    void vae_isRefused() {
        assertThatThrownBy(() -> ZImagePipeline.builder().precision(Component.VAE, Precision.INT8))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the VAE's precision must be FP32 or BF16, but was INT8");
    }

    @Test
    void syntheticWeights_areRefused() {
        assertThatThrownBy(() -> SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.INT8, 1, bytes -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("weights must be stored as FP32 or BF16, but was INT8");
    }
}
