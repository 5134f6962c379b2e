package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.internal.device.FakeAccelerator;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
            long found = (7 << 20) + (740 << 20);
            assertThat(pipeline.measuredPeaks())
                    .as("what the card's allocator says, and what is counted beside it, as in the plan")
                    .contains(new MemoryPlan.Peaks(Map.of("text", found, "denoise", found, "decode", found)));
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
                    .isEqualTo((2L << 30) - (740L << 20));
        }
    }

    // Trying them takes several times the memory of the one that is kept.
    @Test
    void convolutions_areTriedOnlyWithRoomForIt_andNoBudget() {
        install(1);
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            assertThat(FakeAccelerator.triesConvolutions).isTrue();
            long planned = pipeline.plan().peaks().of("decode");
            assertThat(pipeline.shrink()).isTrue();
            assertThat(FakeAccelerator.triesConvolutions).isFalse();
            assertThat(pipeline.plan().peaks().of("decode")).isLessThan(planned);
        }
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).memoryBudget(MemorySize.gib(8)).build()) {
            assertThat(pipeline.plan().fits()).isTrue();
            assertThat(FakeAccelerator.triesConvolutions).isFalse();
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 5, false", "2, 2, true", "3, 1, false"})
    void severalCards_drawThePicturesOfOne(int prompts, int count, boolean guided) {
        install(3);
        List<String> all = List.of("a fox", "a red house", "two cats").subList(0, prompts);
        GenerationRequest request = TinyModel.request()
                .prompts(all)
                .count(count)
                .seed(40)
                .guidance(guided ? 2 : 0)
                .build();
        List<GeneratedImage> expected;
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).device(Device.cuda(0)).build()) {
            expected = pipeline.generateAll(request);
        }
        FakeAccelerator.ENTERED.clear();
        List<String> heard = new ArrayList<>();
        List<GeneratedImage> drawn;
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .devices(List.of(Device.cuda(0), Device.cuda(1), Device.cuda(2)))
                .build()) {
            drawn = pipeline.generateAll(request, new GenerationListener() {
                @Override
                public void onStep(int step, int steps, Duration elapsed) {
                    heard.add("step " + step);
                }

                @Override
                public void onDecode(int index, int pictures, Duration elapsed) {
                    heard.add("picture " + index + " of " + pictures);
                }
            });
        }
        assertThat(FakeAccelerator.ENTERED.keySet()).as("cards that drew").contains(0, 1);
        int pictures = prompts * count;
        assertThat(heard)
                .contains("step 1", "step 2", "picture " + pictures + " of " + pictures)
                .hasSize(2 + pictures);
        assertThat(drawn).hasSameSizeAs(expected);
        for (int i = 0; i < pictures; i++) {
            assertThat(drawn.get(i).rgb())
                    .as("picture %d", i)
                    .isEqualTo(expected.get(i).rgb());
            assertThat(drawn.get(i).parameters()).isEqualTo(expected.get(i).parameters());
        }
    }

    // Chosen seeds and given noise go with their pictures.
    @Test
    void seedsAndLatents_areSharedOutInOrder() {
        install(2);
        GenerationRequest seeds = TinyModel.request().seeds(List.of(9L, 3L, 5L)).build();
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .devices(List.of(Device.cuda(0), Device.cuda(1)))
                .build()) {
            List<GeneratedImage> drawn = pipeline.generateAll(seeds);
            assertThat(drawn.stream().map(GeneratedImage::seed)).containsExactly(9L, 3L, 5L);
            List<Latents> noise = drawn.stream().map(GeneratedImage::latents).toList();
            GenerationRequest given =
                    TinyModel.request().count(3).latents(noise).steps(1).build();
            List<GeneratedImage> again = pipeline.generateAll(given);
            GeneratedImage last = pipeline.generate(
                    TinyModel.request().latents(List.of(noise.get(2))).steps(1).build());
            assertThat(again.get(2).rgb()).isEqualTo(last.rgb());
        }
    }

    @Test
    void requests_goToTheCardThatHasNothingToDo() throws Exception {
        install(2);
        CountDownLatch both = new CountDownLatch(2);
        GenerationListener waits = new GenerationListener() {
            @Override
            public void onEncode(Duration elapsed) {
                both.countDown();
                try {
                    assertThat(both.await(20, TimeUnit.SECONDS))
                            .as("the other request runs at the same time")
                            .isTrue();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
        };
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .devices(List.of(Device.cuda(0), Device.cuda(1)))
                .build()) {
            var one = pipeline.generateAsync(TinyModel.request().build(), waits);
            var other = pipeline.generateAsync(TinyModel.request().build(), waits);
            assertThat(one.get(30, TimeUnit.SECONDS).get(0).rgb())
                    .isEqualTo(other.get(30, TimeUnit.SECONDS).get(0).rgb());
        }
    }

    // Its listener hears of one request, whichever card says what.
    @Test
    void sharedOutRequest_startsOnce_andTellsOfEachFailedAllocation() {
        install(2);
        AtomicInteger starts = new AtomicInteger();
        AtomicInteger reliefs = new AtomicInteger();
        Set<String> failed = ConcurrentHashMap.newKeySet();
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .devices(List.of(Device.cuda(0), Device.cuda(1)))
                .build()) {
            pipeline.generateAll(TinyModel.request().count(2).build(), new GenerationListener() {
                @Override
                public void onStart() {
                    starts.incrementAndGet();
                }

                @Override
                public int previewSize(int step) {
                    if (failed.add(Thread.currentThread().getName())) {
                        torch.empty(1L << 46); // more than any machine has
                    }
                    return 0;
                }

                @Override
                public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
                    reliefs.incrementAndGet();
                }
            });
        }
        assertThat(starts).hasValue(1);
        assertThat(reliefs).as("one on each card").hasValue(2);
    }

    @Test
    void failureOfOneCard_endsTheRequest_andThePipelineGoesOn() {
        install(2);
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .devices(List.of(Device.cuda(0), Device.cuda(1)))
                .build()) {
            assertThatThrownBy(() ->
                            pipeline.generateAll(TinyModel.request().count(4).build(), new GenerationListener() {
                                @Override
                                public void onStep(int step, int steps, Duration elapsed) {
                                    throw new IllegalStateException("the listener is tired");
                                }
                            }))
                    .hasMessage("the listener is tired");
            assertThat(pipeline.generateAll(TinyModel.request().count(2).build()))
                    .hasSize(2);
        }
    }

    // Whoever waits for a request must hear of anything that its listener throws, or he waits for ever.
    @Test
    void errorOfTheListenerAtTheEnd_endsTheRequest() {
        install(2);
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .devices(List.of(Device.cuda(0), Device.cuda(1)))
                .build()) {
            CompletableFuture<List<GeneratedImage>> request =
                    pipeline.generateAsync(TinyModel.request().count(2).build(), new GenerationListener() {
                        @Override
                        public void onDone(List<GeneratedImage> images) {
                            throw new AssertionError("the listener is tired");
                        }
                    });
            assertThat(request)
                    .failsWithin(Duration.ofSeconds(60))
                    .withThrowableThat()
                    .havingRootCause()
                    .isInstanceOf(AssertionError.class)
                    .withMessage("the listener is tired");
        }
    }

    @Test
    void warmUp_drawsOnEveryCard_beforeTheFirstRequest() {
        install(2);
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .devices(List.of(Device.cuda(0), Device.cuda(1)))
                .warmUp(ImageSize.square(64))
                .build()) {
            assertThat(pipeline.measuredPeaks()).as("something was drawn").isPresent();
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TinyModel.pipeline(folder)
                        .memoryBudget(MemorySize.gib(2))
                        .warmUp(ImageSize.square(8192))
                        .build())
                .withMessageContaining("would need");
    }

    @Test
    void devicesThatAreThereTwice_areRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TinyModel.pipeline(folder).devices(List.of(Device.cuda(0), Device.cuda(0))))
                .withMessage("devices must be one or more, each once, but were [cuda:0, cuda:0]");
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
        List<Integer> steps = new ArrayList<>();
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            pipeline.generateAll(TinyModel.request().steps(3).build(), new GenerationListener() {
                @Override
                public void onStep(int step, int count, Duration elapsed) {
                    steps.add(step);
                }
            });
        }
        assertThat(steps).containsExactly(1, 2, 3);
    }

    private static GeneratedImage draw(PipelineBuilder builder) {
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generate(TinyModel.request().build());
        }
    }

    /** Both compute in FP32 and differ by rounding only: some 1e-7 in each sum, which the steps carry on. */
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
