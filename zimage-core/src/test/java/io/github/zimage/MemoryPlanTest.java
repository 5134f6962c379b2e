package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects what users type and read: sizes, places, and the table. */
class MemoryPlanTest {
    @TempDir
    static Path folder;

    @ParameterizedTest
    @CsvSource({
        "8g, 8589934592, 8.00 GiB",
        "1.5G, 1610612736, 1.50 GiB",
        "512m, 536870912, 512 MiB",
        "16 GiB, 17179869184, 16.00 GiB",
        "300000kb, 307200000, 293 MiB",
        "1t, 1099511627776, 1024.00 GiB"
    })
    void size_isRead(String text, long bytes, String shown) {
        assertThat(MemorySize.parse(text)).isEqualTo(new MemorySize(bytes)).hasToString(shown);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "8", "g", "-8g", "8x", "0g", "0.0000001k", "1e3g", "8 g b", "9999999999t", "٨g"})
    void sizeThatIsNone_isRefused(String text) {
        assertThatThrownBy(() -> MemorySize.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("memory must be ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "cuda:0", "cuda:7", "disk", "stream:cpu", "stream:disk", "park:cpu"})
    void placement_isReadAndShown(String text) {
        assertThat(Placement.parse(text)).hasToString(text);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "gpu", "cuda:", "cuda:-1", "cuda:9999", "cudax", "stream", "stream:cuda:0", "park:disk:1"})
    void placementThatIsNone_isRefused(String text) {
        assertThatThrownBy(() -> Placement.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void weights_cannotWaitOnACard() {
        assertThatThrownBy(() -> Placement.streamedFrom(Device.cuda(1)))
                .hasMessage("weights can wait on the CPU or on the disk, but not on cuda:1");
        assertThatThrownBy(() -> new Device(Device.Kind.CPU, 1)).isInstanceOf(IllegalArgumentException.class);
    }

    // Columns and words that people and scripts read.
    @Test
    void table_isAligned() {
        long gib = 1L << 30;
        Map<String, Long> peaks = new LinkedHashMap<>();
        peaks.put("text", gib);
        peaks.put("denoise", 7 * gib);
        peaks.put("decode", 6 * gib);
        MemoryPlan plan = new MemoryPlan(
                "Z-Image-Turbo",
                "1 picture of 1024 x 1024",
                Device.cuda(0),
                MemorySize.gib(8),
                List.of(
                        new MemoryPlan.Part(
                                Component.TEXT_ENCODER,
                                Device.cpu(),
                                Precision.BF16,
                                Placement.Kind.ON,
                                35,
                                0,
                                0,
                                7 * gib,
                                0,
                                "never"),
                        new MemoryPlan.Part(
                                Component.TRANSFORMER,
                                Device.cuda(0),
                                Precision.BF16,
                                Placement.Kind.STREAMED,
                                32,
                                12,
                                2,
                                12 * gib,
                                5 * gib,
                                "20 of 32 blocks for each step, through 2 slots"),
                        new MemoryPlan.Part(
                                Component.VAE,
                                Device.cuda(0),
                                Precision.FP32,
                                Placement.Kind.PARKED,
                                0,
                                0,
                                0,
                                gib / 5,
                                gib / 5,
                                "whole, for each request")),
                new MemoryPlan.Peaks(peaks),
                64,
                true);
        assertThat(plan).hasToString("""
                        Z-Image-Turbo: 1 picture of 1024 x 1024 on cuda:0, at most 8.00 GiB
                        component     computes on  format    weights  in memory  moves
                        text_encoder  cpu          BF16     7.00 GiB   0.00 GiB  never
                        transformer   cuda:0       BF16    12.00 GiB   5.00 GiB  20 of 32 blocks for each step, through 2 slots
                        vae           cuda:0       FP32     0.20 GiB   0.20 GiB  whole, for each request
                        decode: tiles of 64 rows
                        peak: 7.00 GiB (text 1.00 GiB, denoise 7.00 GiB, decode 6.00 GiB), 1.00 GiB to spare""");
    }

    @Test
    void builder_plansWithoutLoading() {
        PipelineBuilder builder = TinyModel.pipeline(folder).memoryBudget(MemorySize.gib(2));
        MemoryPlan plan = builder.plan();
        assertThat(plan.fits()).isTrue();
        assertThat(plan.parts()).extracting(MemoryPlan.Part::kind).containsOnly(Placement.Kind.ON);
        assertThat(plan.peaks().highest()).isLessThan(MemorySize.gib(2).bytes());
        assertThat(builder.planForCard(MemorySize.gib(4)).device()).isEqualTo(Device.cuda(0));
    }

    @Test
    void requestBeyondTheBudget_isRefusedBeforeItIsDrawn() {
        GenerationRequest large = TinyModel.request().size(8192, 8192).build();
        PipelineBuilder builder =
                TinyModel.pipeline(folder).planFor(TinyModel.request().build());
        long needed = builder.plan().peaks().highest();
        builder.memoryBudget(new MemorySize(needed + (64 << 20)));
        assertThatThrownBy(() -> builder.check(large))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 picture of 8192 x 8192 would need")
                .hasMessageContaining("planFor");
        builder.check(TinyModel.request().build());
    }

    @Test
    void impossible_isRefusedWhenBuilt() {
        assertThatThrownBy(() -> TinyModel.pipeline(folder)
                        .memoryBudget(MemorySize.mib(1))
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the smallest that would do has ");
        assertThatThrownBy(() -> TinyModel.pipeline(folder)
                        .place(Component.TRANSFORMER, Placement.on(Device.cuda(0)))
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("transformer cannot be placed on cuda:0");
    }

    // What a listener asks LibTorch for fails as any allocation in that phase would.
    @ParameterizedTest
    @ValueSource(strings = {"denoise", "decode"})
    void allocationThatFails_isHealed_andTheNextPictureIsDrawn(String phase) {
        GenerationRequest request = TinyModel.request().build();
        AttentionBackend attention = new AttentionBackend("blockwise");
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).attention(attention).build()) {
            GeneratedImage healed =
                    pipeline.generateAll(request, exhausted(phase, 1)).get(0);
            assertThatThrownBy(() -> pipeline.generateAll(
                            TinyModel.request().prompt("another").build(), exhausted(phase, Integer.MAX_VALUE)))
                    .isInstanceOfSatisfying(OutOfDeviceMemoryException.class, failure -> {
                        assertThat(failure.requestedBytes()).hasValue(1L << 48); // of 4 bytes each
                        assertThat(failure.plannedBytes().orElseThrow()).isPositive();
                    })
                    .hasMessageContaining("requested 262144.00 GiB, free ")
                    .hasMessageContaining(", planned ")
                    .hasMessageContaining(
                            "draw smaller pictures or fewer at once, free memory that other programs have, or set");
            GeneratedImage next = pipeline.generate(request);
            assertThat(next.latents().values()).isEqualTo(healed.latents().values());
            try (ZImagePipeline untouched =
                    TinyModel.pipeline(folder).attention(attention).build()) {
                GeneratedImage expected = untouched.generate(request);
                assertThat(healed.latents().values())
                        .isEqualTo(expected.latents().values());
                assertThat(healed.seed()).isEqualTo(expected.seed());
            }
        }
    }

    private static GenerationListener exhausted(String phase, int times) {
        AtomicInteger left = new AtomicInteger(times);
        Consumer<String> at = here -> {
            if (here.equals(phase) && left.getAndDecrement() > 0) {
                torch.empty(1L << 46);
            }
        };
        return new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                at.accept("denoise");
            }

            @Override
            public void onDecode(int index, int count, Duration elapsed) {
                at.accept("decode");
            }
        };
    }
}
