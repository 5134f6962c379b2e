package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.internal.device.FakeAccelerator;
import io.github.zimage.internal.device.FakeRecorder;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects that a transformer whose work is recorded and replayed draws the same pictures, and that nothing is lost where it cannot be. */
@Timeout(60)
final class CompiledPipelineTest {
    @TempDir
    static Path folder;

    private final FakeRecorder recorder = new FakeRecorder();
    private AutoCloseable accelerator = () -> {};

    @BeforeEach
    void install() {
        accelerator = FakeAccelerator.install(folder.resolve("services"), 1);
        FakeAccelerator.recorder = () -> recorder;
    }

    @AfterEach
    void uninstall() throws Exception {
        accelerator.close();
        assertThat(FakeAccelerator.OPEN).as("devices are closed").hasValue(0);
        assertThat(FakeAccelerator.GUARDS).as("guards are undone").hasValue(0);
        assertThat(recorder.open).as("recordings are closed").hasValue(0);
    }

    private static GenerationRequest.Builder request() {
        return TinyModel.request().steps(4);
    }

    private static PipelineBuilder compiled() {
        return TinyModel.pipeline(folder).compileTransformer(true);
    }

    static List<GenerationRequest> requests() {
        String longer = "a very long prompt that says the same again and again, ".repeat(5);
        return List.of(
                request().build(),
                request().steps(1).build(),
                request().size(48, 64).count(6).build(),
                request().prompts(List.of("a fox", longer, "a house")).count(2).build(),
                request().guidance(2).build(),
                request()
                        .guidance(3)
                        .negativePrompt(longer)
                        .cfgTruncation(0.6)
                        .cfgNormalization(1)
                        .count(2)
                        .build());
    }

    @ParameterizedTest
    @MethodSource("requests")
    void pictures_areThoseThatAreNotRecorded(GenerationRequest request) {
        List<GeneratedImage> expected = draw(TinyModel.pipeline(folder), request);
        assertThat(recorder.rehearsals).as("not asked for").hasValue(0);
        try (ZImagePipeline pipeline = compiled().build()) {
            assertSame(pipeline.generateAll(request), expected);
            int recorded = recorder.recordings.get();
            assertThat(recorded)
                    .as("where something comes again")
                    .isEqualTo(request.steps() == 1 ? 0 : shapes(request));
            assertSame(pipeline.generateAll(request), expected);
            assertThat(recorder.rehearsals).hasValue(shapes(request));
            assertThat(recorder.replays.get()).isGreaterThanOrEqualTo(request.steps() * request.totalCount());
        }
        assertThat(recorder.closed).hasValue(1);
    }

    // With four steps, guidance by attention acts in three: another shape, with the same timestep's tensors.
    @Test
    void attentionGuidance_isRecordedBesideTheStepsWithout() {
        GenerationRequest request = request()
                .prompts(List.of("a fox", "a house"))
                .negativePrompt("a very long prompt that says the same again and again, ".repeat(3))
                .nag(Nag.DEFAULT)
                .build();
        List<GeneratedImage> expected = draw(TinyModel.pipeline(folder), request);
        List<GeneratedImage> plain = draw(
                TinyModel.pipeline(folder), request.toBuilder().nag(Nag.OFF).build());
        assertThat(plain.get(0).latents().values())
                .isNotEqualTo(expected.get(0).latents().values());
        try (ZImagePipeline pipeline = compiled().build()) {
            for (int round = 0; round < 2; round++) {
                assertSame(pipeline.generateAll(request), expected);
                assertSame(pipeline.generateAll(request.toBuilder().nag(Nag.OFF).build()), plain);
            }
            assertThat(recorder.recordings).as("with and without").hasValue(2);
            pipeline.generateAll(
                    request.toBuilder().nag(each -> each.withScale(3)).build());
            assertThat(recorder.recordings).as("another scale").hasValue(3);
        }
    }

    /** The longer prompt is the one that has a caption of another length. */
    private static int shapes(GenerationRequest request) {
        return request.prompts().size() > 1 || request.negativePrompt() != null ? 2 : 1;
    }

    // A generation of one request leaves nothing in a recording that another could see.
    @Test
    void requestsOfManyShapes_doNotDisturbEachOther() {
        List<GenerationRequest> all = requests();
        List<List<GeneratedImage>> expected =
                all.stream().map(each -> draw(TinyModel.pipeline(folder), each)).toList();
        try (ZImagePipeline pipeline = compiled().build()) {
            for (int round = 0; round < 2; round++) {
                for (int i = all.size() - 1; i >= 0; i--) {
                    assertSame(pipeline.generateAll(all.get(i)), expected.get(i));
                }
            }
        }
    }

    // A server draws any size; what it has recorded must not grow with them.
    @Test
    void recordingsOfTheShapesUsedLast_areKept() {
        try (ZImagePipeline pipeline = compiled().build()) {
            for (int width = 16; width <= 160; width += 16) {
                pipeline.generate(request().size(width, 32).build());
            }
            assertThat(recorder.recordings).hasValue(10);
            assertThat(recorder.open).hasValue(8);
            pipeline.generate(request().size(160, 32).build());
            assertThat(recorder.recordings).as("still there").hasValue(10);
            GeneratedImage again = pipeline.generate(request().size(16, 32).build());
            assertThat(recorder.recordings).as("the first one was forgotten").hasValue(11);
            assertSame(
                    List.of(again),
                    draw(TinyModel.pipeline(folder), request().size(16, 32).build()));
        }
    }

    // Whatever CUDA refuses, at whichever point: the pictures come, and it is not tried again and again.
    @Test
    void recordingOrReplayThatFails_changesNoPicture() {
        GenerationRequest request = requests().get(3);
        List<GeneratedImage> expected = draw(TinyModel.pipeline(folder), request);
        for (int call = 1; call <= 8; call++) {
            FakeRecorder failing = new FakeRecorder();
            failing.failAt = call;
            FakeAccelerator.recorder = () -> failing;
            try (ZImagePipeline pipeline = compiled().build()) {
                assertSame(pipeline.generateAll(request), expected);
                assertThat(failing.open).as("given back, call %d", call).hasValue(0);
                int recordings = failing.recordings.get();
                int replays = failing.replays.get();
                assertThat(recordings + replays)
                        .as("calls before the one that failed")
                        .isEqualTo(call - 1);
                assertSame(pipeline.generateAll(request), expected);
                assertThat(failing.recordings.get() + failing.replays.get()).isEqualTo(recordings + replays);
            }
            assertThat(failing.closed).hasValue(1);
        }
    }

    @Test
    void cancelledBetweenSteps_theNextPictureIsRight() {
        List<GeneratedImage> expected =
                draw(TinyModel.pipeline(folder), request().build());
        try (ZImagePipeline pipeline = compiled().build()) {
            for (int last = 1; last <= 3; last++) {
                CompletableFuture<?>[] drawn = new CompletableFuture<?>[1];
                CompletableFuture<Void> started = new CompletableFuture<>();
                int at = last;
                drawn[0] = pipeline.generateAsync(request().seed(99).build(), new GenerationListener() {
                    @Override
                    public void onStep(int step, int steps, Duration elapsed) {
                        started.join();
                        if (step == at) {
                            drawn[0].cancel(true);
                        }
                    }
                });
                started.complete(null);
                assertThatThrownBy(() -> drawn[0].get(20, TimeUnit.SECONDS)).isInstanceOf(Exception.class);
                assertSame(pipeline.generateAll(request().build()), expected);
            }
            assertThat(recorder.recordings).hasValue(1);
        }
    }

    @Test
    void trim_givesRecordingsBack_andTheyAreMadeAgain() {
        try (ZImagePipeline pipeline = compiled().build()) {
            List<GeneratedImage> expected = pipeline.generateAll(request().build());
            assertThat(recorder.open).hasValue(1);
            pipeline.trim();
            assertThat(recorder.open).hasValue(0);
            assertSame(pipeline.generateAll(request().build()), expected);
            assertThat(recorder.recordings).hasValue(2);
        }
    }

    @Test
    void shrink_takesRecordingsFirst() {
        try (ZImagePipeline pipeline = compiled().build()) {
            List<GeneratedImage> expected = pipeline.generateAll(request().build());
            long before = pipeline.plan().peaks().highest();
            assertThat(pipeline.shrink()).isTrue();
            assertThat(recorder.closed).hasValue(1);
            assertThat(pipeline.plan().peaks().highest()).isLessThan(before);
            assertThat(pipeline.plan().parts().stream().map(MemoryPlan.Part::kind))
                    .as("weights stay")
                    .containsOnly(Placement.Kind.ON);
            assertSame(pipeline.generateAll(request().build()), expected);
        }
    }

    @Test
    void outOfMemory_endsRecording_andThePictureComes() {
        List<GeneratedImage> expected =
                draw(TinyModel.pipeline(folder), request().build());
        try (ZImagePipeline pipeline = compiled().build()) {
            pipeline.generate(request().size(32, 32).build());
            assertThat(recorder.open).hasValue(1);
            recorder.rehearsalFailure = new OutOfDeviceMemoryException("Tried to allocate 2.00 GiB", null);
            assertSame(pipeline.generateAll(request().build()), expected);
            assertThat(recorder.closed).hasValue(1);
            int replays = recorder.replays.get();
            assertSame(pipeline.generateAll(request().build()), expected);
            assertThat(recorder.replays).as("not tried again").hasValue(replays);
        }
    }

    // What is recorded reads weights where they are.
    @Test
    void weightsThatComeAndGo_areNotRecorded() {
        List<GeneratedImage> expected =
                draw(TinyModel.pipeline(folder), request().build());
        for (Placement placement :
                List.of(Placement.streamedFromDisk(), Placement.streamedFrom(Device.cpu()), Placement.parkedOnDisk())) {
            assertSame(
                    draw(
                            compiled().place(Component.TRANSFORMER, placement),
                            request().build()),
                    expected);
        }
        assertThat(recorder.rehearsals).hasValue(0);
    }

    // The weights stay with this budget, but nothing more has room: recordings must not drive them out.
    @Test
    void budgetWithoutRoom_leavesRecordingsOut() {
        MemorySize enough = MemorySize.gib(12);
        MemoryPlan whole = TinyModel.pipeline(folder)
                .vaeTiling(VaeTiling.off())
                .memoryBudget(enough)
                .plan();
        MemoryPlan withRecordings =
                compiled().vaeTiling(VaeTiling.off()).memoryBudget(enough).plan();
        long recordings = withRecordings.peaks().highest() - whole.peaks().highest();
        assertThat(recordings).as("eight of at least 32 MiB").isGreaterThan(256L << 20);
        MemorySize tight = new MemorySize(whole.peaks().highest() + recordings / 2);
        assertThat(compiled()
                        .vaeTiling(VaeTiling.off())
                        .memoryBudget(tight)
                        .plan()
                        .parts())
                .isEqualTo(TinyModel.pipeline(folder)
                        .vaeTiling(VaeTiling.off())
                        .memoryBudget(tight)
                        .plan()
                        .parts());
        draw(
                compiled().vaeTiling(VaeTiling.off()).memoryBudget(tight),
                request().build());
        assertThat(recorder.rehearsals).hasValue(0);
        MemorySize ample = new MemorySize(tight.bytes() + recordings);
        draw(
                compiled().vaeTiling(VaeTiling.off()).memoryBudget(ample),
                request().build());
        assertThat(recorder.recordings).hasValue(1);
    }

    @Test
    void warmUp_records() {
        try (ZImagePipeline pipeline =
                compiled().warmUp(ImageSize.square(64), ImageSize.square(32)).build()) {
            assertThat(recorder.recordings).hasValue(2);
            pipeline.generate(request().size(64, 64).build());
            assertThat(recorder.rehearsals)
                    .as("the first request is replayed from its first step")
                    .hasValue(2);
        }
    }

    @Test
    void processorOrCardThatCannotRecord_drawsAsEver() {
        List<GeneratedImage> expected =
                draw(TinyModel.pipeline(folder), request().build());
        FakeAccelerator.recorder = null;
        assertSame(draw(compiled(), request().build()), expected);
        PipelineBuilder cpu = compiled().device(Device.cpu());
        assertThat(draw(cpu, request().build())).hasSize(1);
        assertThat(recorder.rehearsals).hasValue(0);
    }

    private static List<GeneratedImage> draw(PipelineBuilder builder, GenerationRequest request) {
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generateAll(request);
        }
    }

    private static void assertSame(List<GeneratedImage> actual, List<GeneratedImage> expected) {
        assertThat(actual).hasSameSizeAs(expected);
        IntStream.range(0, actual.size()).forEach(i -> {
            assertThat(actual.get(i).latents().values())
                    .as("latents of picture %d", i)
                    .isEqualTo(expected.get(i).latents().values());
            assertThat(actual.get(i).rgb()).isEqualTo(expected.get(i).rgb());
        });
    }

    // The first block cache decides while the transformer computes; a mask is known before.
    @Test
    void firstBlockCache_isRefusedByName_andAMaskIsReplayed() {
        GenerationRequest.Builder builder = TinyModel.request().steps(12);
        GenerationRequest mask = builder.sampling(s -> s.withStepCache(Sampling.StepCache.mask("medium")))
                .build();
        GenerationRequest first = builder.sampling(s -> s.withStepCache(Sampling.StepCache.firstBlock(0.1)))
                .build();
        float[] expected;
        try (ZImagePipeline eager = TinyModel.pipeline(folder).build()) {
            expected = eager.generate(mask).latents().values();
            assertThat(eager.generate(first).timings().forwards()).isPositive();
        }
        try (ZImagePipeline pipeline = compiled().build()) {
            assertThat(pipeline.generate(mask).latents().values()).isEqualTo(expected);
            assertThat(recorder.replays).hasValue(mask.evaluations() - 1);
            assertThatThrownBy(() -> pipeline.generate(first))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessage("stepCache fb=0.1 decides while the transformer computes, which does not do where it is"
                            + " compiled: take mask=medium, which is known before");
        }
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .place(Component.TRANSFORMER, Placement.streamedFromDisk())
                .build()) {
            assertThat(pipeline.generate(mask).latents().values()).isEqualTo(expected);
            assertThatThrownBy(() -> pipeline.check(first))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("which does not do where its blocks are streamed: take mask=medium");
        }
    }
}
