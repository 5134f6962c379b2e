package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.zimage.internal.device.FakeAccelerator;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that a pipeline finds graphics cards, computes each component where it should, and says clearly where that cannot be. */
final class DevicePipelineTest {
    @TempDir
    static Path folder;

    private AutoCloseable accelerator = () -> {};

    private void install(int cards) {
        accelerator = FakeAccelerator.install(folder.resolve("services"), cards);
    }

    @AfterEach
    void uninstall() throws Exception {
        accelerator.close();
        assertThat(FakeAccelerator.GUARDS).as("guards are undone").hasValue(0);
        assertThat(FakeAccelerator.OPEN).as("devices are closed").hasValue(0);
    }

    @Test
    void card_isChosen_andDrawsWhatTheCpuDraws() {
        GeneratedImage expected;
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            assertThat(pipeline.plan().device()).isEqualTo(Device.cpu());
            expected = pipeline.generate(TinyModel.request().build());
        }
        install(1);
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            assertThat(pipeline.plan().device()).isEqualTo(Device.cuda(0));
            GeneratedImage drawn = pipeline.generate(TinyModel.request().build());
            assertClose(drawn, expected);
            assertThat(pipeline.measuredPeaks())
                    .as("what the card's allocator says")
                    .contains(new MemoryPlan.Peaks(7 << 20, 7 << 20, 7 << 20));
        }
    }

    // The CPU is there also beside cards.
    @Test
    void cpu_isTaken_ifAskedFor() {
        install(1);
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).device(Device.cpu()).build()) {
            pipeline.generate(TinyModel.request().build());
            assertThat(pipeline.plan().device()).isEqualTo(Device.cpu());
        }
        assertThat(FakeAccelerator.ENTERED).isEmpty();
    }

    @Test
    void components_computeWhereTheyArePlaced() {
        install(2);
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .device(Device.cuda(0))
                .place(Component.TEXT_ENCODER, Placement.on(Device.cpu()))
                .place(Component.VAE, Placement.on(Device.cuda(1)))
                .build()) {
            int before = FakeAccelerator.ENTERED.get(1).get();
            GeneratedImage drawn = pipeline.generate(TinyModel.request().build());
            assertThat(drawn.width()).isEqualTo(64);
            assertThat(FakeAccelerator.ENTERED.get(1).get())
                    .as("the VAE entered the second card")
                    .isGreaterThan(before);
            assertThat(pipeline.plan().parts().stream().map(MemoryPlan.Part::device))
                    .containsExactly(Device.cpu(), Device.cuda(0), Device.cuda(1));
        }
    }

    @Test
    void streamedPicture_isThatOfResidentWeights() {
        install(1);
        GeneratedImage expected = draw(TinyModel.pipeline(folder));
        GeneratedImage streamed = draw(TinyModel.pipeline(folder)
                .place(Component.TEXT_ENCODER, Placement.streamedFrom(Device.cpu()))
                .place(Component.TRANSFORMER, Placement.streamedFromDisk())
                .place(Component.VAE, Placement.parkedOnDisk()));
        assertThat(streamed.latents().values()).isEqualTo(expected.latents().values());
        assertThat(streamed.rgb()).isEqualTo(expected.rgb());
    }

    @Test
    void budget_limitsTheCard() {
        install(1);
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).memoryBudget(MemorySize.gib(2)).build()) {
            assertThat(pipeline.plan().limit()).isEqualTo(MemorySize.gib(2));
            assertThat(FakeAccelerator.limit)
                    .as("what the driver and its libraries take is not the allocator's")
                    .isEqualTo((2L << 30) - (460L << 20));
        }
    }

    // Nobody would find out otherwise why it is slow.
    @Test
    void deviceThatCannotBeUsed_saysWhyAndWhatToDo() {
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> TinyModel.pipeline(folder).device(Device.cuda(0)).build())
                .withMessage("device cuda:0 cannot be used: no module for graphics cards is on the class path; add the"
                        + " dependency io.github.zimage:zimage-cuda, or use cpu");
        install(1);
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> TinyModel.pipeline(folder).device(Device.cuda(3)).build())
                .withMessage("device cuda:3 cannot be used: this machine has [cuda:0]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TinyModel.pipeline(folder)
                        .place(Component.VAE, Placement.on(Device.cuda(1)))
                        .build())
                .withMessage("vae cannot be placed on cuda:1: this machine has [cuda:0]");
        FakeAccelerator.cards = 0;
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> TinyModel.pipeline(folder).device(Device.cuda(0)).build())
                .withMessage(
                        "device cuda:0 cannot be used: the fake driver is not loaded; install a driver, or use cpu");
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            assertThat(pipeline.plan().device()).as("nobody asked for the card").isEqualTo(Device.cpu());
        }
    }

    @Test
    void precisionOrAttention_thatTheCardCannotDo_isRefused() {
        install(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        TinyModel.pipeline(folder).precision(Precision.INT8).build())
                .withMessage("text encoder cannot compute in INT8 on cuda:0: use BF16 or FP32");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TinyModel.pipeline(folder)
                        .device(Device.cpu())
                        .precision(Component.TRANSFORMER, Precision.FP8)
                        .build())
                .withMessage("transformer cannot compute in FP8 on cpu: use BF16 or FP32");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TinyModel.pipeline(folder)
                        .attention(new AttentionBackend("_flash_3"))
                        .build())
                .withMessage("attention _flash_3 cannot run on cuda:0: its library was not named");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TinyModel.pipeline(folder)
                        .device(Device.cpu())
                        .attention(new AttentionBackend("cudnn"))
                        .build())
                .withMessageContaining("attention must be one of")
                .withMessageContaining("but was cudnn");
    }

    // The steps are told when they are done, which on a card is later than when they are ordered.
    @Test
    void listener_hearsOfEveryStepInOrder() {
        install(1);
        List<Integer> steps = new java.util.ArrayList<>();
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            pipeline.generateAll(TinyModel.request().steps(3).build(), new GenerationListener() {
                @Override
                public void onStep(int step, int count, java.time.Duration elapsed) {
                    steps.add(step);
                }
            });
        }
        assertThat(steps).containsExactly(1, 2, 3);
    }

    private static GeneratedImage draw(ZImagePipeline.Builder builder) {
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generate(TinyModel.request().build());
        }
    }

    /** Both compute in FP32 and differ by rounding only. */
    private static void assertClose(GeneratedImage actual, GeneratedImage expected) {
        float[] found = actual.latents().values();
        float[] wanted = expected.latents().values();
        double difference = 0;
        double size = 0;
        for (int i = 0; i < wanted.length; i++) {
            difference += Math.pow(found[i] - wanted[i], 2);
            size += Math.pow(wanted[i], 2);
        }
        assertThat(Math.sqrt(difference / size)).isLessThan(1e-5);
    }
}
