package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The tiny model in FP32, and requests to it, for tests of what can be put behind the seams of a generation. */
final class SeamModel {
    static final String PROMPT = "a red fox in the snow";
    static final int WIDTH = 64;
    static final int HEIGHT = 48;

    /** The transformer's weights stay, or come and go; the VAE can only be parked. */
    static final List<Map<Component, Residence>> RESIDENCES = List.of(
            Map.of(),
            Map.of(
                    Component.TEXT_ENCODER, Residence.parked(),
                    Component.TRANSFORMER, Residence.streamed(1, 2),
                    Component.VAE, Residence.parked()));

    private SeamModel() {}

    static Checkpoint write(Path folder) {
        NativeRuntime.load();
        Path model = folder.resolve("tiny");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.FP32, 1, bytes -> {});
        return Checkpoint.open(model, null);
    }

    static TestEngine open(Checkpoint checkpoint, Map<Component, Residence> residences) {
        return open(checkpoint, Precision.FP32, residences);
    }

    static TestEngine open(Checkpoint checkpoint, Precision precision, Map<Component, Residence> residences) {
        Map<Component, Precision> precisions = new HashMap<>();
        Component.values().forEach(each -> precisions.put(each, precision));
        return new TestEngine(
                checkpoint,
                new EngineOptions(precisions, AttentionBackend.BLOCKWISE, VaeTiling.auto(), residences),
                new GenerationListener() {});
    }

    static GenerationRequest.Builder request() {
        return GenerationRequest.builder()
                .prompt(PROMPT)
                .size(WIDTH, HEIGHT)
                .steps(3)
                .seed(7);
    }

    /** Returns channels, rows and columns of the latents of a request. */
    static int[] shape(Checkpoint checkpoint) {
        int scale = checkpoint.vae().scale();
        return new int[] {checkpoint.transformer().inChannels(), HEIGHT / scale, WIDTH / scale};
    }

    /** Returns the noise levels of a request, from 1 to 0. */
    static float[] sigmas(Checkpoint checkpoint, int steps) {
        SchedulerConfig scheduler = checkpoint.scheduler();
        int[] shape = shape(checkpoint);
        return NoiseSchedule.flowMatch(scheduler, NoiseSchedule.evenLevels(steps), shape[1] / 2 * (shape[2] / 2))
                .sigmas();
    }

    /** Requires latents to be those that were computed in another way. */
    static void requireClose(float[] actual, double[] expected, double tolerance, String what) {
        assertThat(distance(actual, expected)).as(what).isLessThanOrEqualTo(tolerance * largest(expected));
    }

    /** Requires that a test could fail: that what it looks at changes the latents by much more than is tolerated. */
    static void requireFar(float[] actual, double[] other, double distance, String what) {
        assertThat(distance(actual, other)).as(what).isGreaterThan(distance * largest(other));
    }

    private static double largest(double[] values) {
        double largest = 0;
        for (double value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    private static double distance(float[] actual, double[] expected) {
        assertThat(actual).hasSize(expected.length);
        double distance = 0;
        for (int i = 0; i < actual.length; i++) {
            assertThat(actual[i]).isFinite();
            distance = Math.max(distance, Math.abs(actual[i] - expected[i]));
        }
        return distance;
    }
}
