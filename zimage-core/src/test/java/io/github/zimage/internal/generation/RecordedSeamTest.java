package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.device.FakeAccelerator;
import io.github.zimage.internal.device.FakeRecorder;
import io.github.zimage.internal.engine.Attachment;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.Hardware;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.schedule.Sampler;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.PictureStream;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Protects that samplers and hooks need not know whether the transformer's work is replayed: pictures are the same to the last bit, and only
 * evaluations that a hook joins in are ordered one by one.
 */
final class RecordedSeamTest {
    private static final int STEPS = 4;

    @TempDir
    Path folder;

    private final FakeRecorder recorder = new FakeRecorder();
    private Checkpoint checkpoint;
    private AutoCloseable accelerator;

    @BeforeEach
    void install() {
        checkpoint = SeamModel.write(folder);
        accelerator = FakeAccelerator.install(folder.resolve("services"), 1);
        FakeAccelerator.recorder = () -> recorder;
    }

    @AfterEach
    void uninstall() throws Exception {
        accelerator.close();
    }

    /** Evaluates each step's middle as well, and follows the velocity there. */
    private static final Sampler MIDPOINT = new Sampler() {
        @Override
        public float[] levels(Step step) {
            return new float[] {step.sigma(), (step.sigma() + step.nextSigma()) / 2};
        }

        @Override
        public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
            Tensor start = latents.clone();
            return (at, velocity) -> {
                double length = at.step().sigma() - at.step().nextSigma();
                if (at.beginsStep()) {
                    start.copy_(latents);
                    latents.add_(velocity, new Scalar(length / 2));
                } else {
                    latents.copy_(start).add_(velocity, new Scalar(length));
                }
            };
        }
    };

    /** Joins in in one step. */
    private static Attachment inStep(int number) {
        BlockHook hook = (at, pictures) -> at.step().number() != number
                ? null
                : new BlockHook.Pass() {
                    @Override
                    public void afterBlock(int block, List<PictureStream> streams) {
                        streams.forEach(each -> each.hidden().add_(new Scalar(0.25)));
                    }
                };
        return (session, transformer, evaluations) -> hook;
    }

    private TestEngine open(boolean compiled) {
        Map<Component, Precision> precisions = new HashMap<>();
        Component.values().forEach(each -> precisions.put(each, Precision.FP32));
        return new TestEngine(
                checkpoint,
                new EngineOptions(
                        precisions,
                        AttentionBackend.AUTO,
                        VaeTiling.auto(),
                        Map.of(),
                        new Hardware(Device.cuda(0), Map.of(), Set.of(), OptionalLong.empty(), false),
                        compiled,
                        EngineOptions.Limits.NONE,
                        true),
                new GenerationListener() {});
    }

    private float[] draw(TestEngine engine, Sampler sampler, List<Attachment> attachments) {
        Order order = engine.order(SeamModel.request().steps(STEPS).build(), 7);
        return engine.generate(order.sampledBy(sampler).with(attachments))
                .get(0)
                .latents()
                .values();
    }

    @Test
    void sampler_isReplayedAtAllItsLevels() {
        float[] expected;
        try (TestEngine eager = open(false)) {
            expected = draw(eager, MIDPOINT, List.of());
        }
        try (TestEngine compiled = open(true)) {
            assertThat(compiled.model().isCompiled()).isTrue();
            assertThat(draw(compiled, MIDPOINT, List.of())).isEqualTo(expected);
            assertThat(List.of(recorder.rehearsals.get(), recorder.recordings.get(), recorder.replays.get()))
                    .as("the first evaluation is a rehearsal")
                    .containsExactly(1, 1, 2 * STEPS - 1);
        }
    }

    @Test
    void hook_isNotReplayed_andTheOtherEvaluationsAre() {
        float[] expected;
        float[] plain;
        try (TestEngine eager = open(false)) {
            expected = draw(eager, MIDPOINT, List.of(inStep(3)));
            plain = draw(eager, MIDPOINT, List.of());
        }
        assertThat(expected).isNotEqualTo(plain);
        try (TestEngine compiled = open(true)) {
            assertThat(draw(compiled, MIDPOINT, List.of(inStep(3)))).isEqualTo(expected);
            assertThat(recorder.replays)
                    .as("all but the rehearsal and two of step 3")
                    .hasValue(2 * STEPS - 3);
            assertThat(draw(compiled, MIDPOINT, List.of())).isEqualTo(plain);
            assertThat(recorder.replays).hasValue(2 * STEPS - 3 + 2 * STEPS);
        }
    }

    // A mask is known before the run: what it computes is recorded and replayed.
    @Test
    void mask_isReplayedInWhatItComputes() {
        GenerationRequest request = SeamModel.request()
                .steps(12)
                .sampling(s -> s.withStepCache(StepCache.mask("110110010011")))
                .build();
        float[] expected;
        try (TestEngine eager = open(false)) {
            expected = latents(eager, request);
        }
        try (TestEngine compiled = open(true)) {
            assertThat(latents(compiled, request)).isEqualTo(expected);
            assertThat(List.of(recorder.rehearsals.get(), recorder.recordings.get(), recorder.replays.get()))
                    .containsExactly(1, 1, 6);
        }
    }

    private static float[] latents(TestEngine engine, GenerationRequest request) {
        return engine.generate(engine.order(request, 7)).get(0).latents().values();
    }
}
