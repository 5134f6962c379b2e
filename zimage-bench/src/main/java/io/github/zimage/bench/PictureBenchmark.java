package io.github.zimage.bench;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Draws one picture again and again. Each must be the same as the first, to the last bit, and near that of the same request in the
 * precision {@code check}. That one is drawn once and kept; where the model in FP32 is too large for the machine, say
 * {@code -p check=bf16}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 2)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public abstract class PictureBenchmark {
    /** The prompt of all pictures. */
    static final String PROMPT = "a red fox in the snow, early morning light";

    /** BF16 is within 1 level of FP32 on the models tried; another prompt is at least 7 away, another seed 39. */
    private static final double FARTHEST = 3;

    /** Eight bits may lose what a PSNR of 28 dB allows, which is 10 levels. */
    private static final double FARTHEST_INT8 = 10;

    /** {@code tiny}, or the folder of a checkpoint. */
    @Param(BenchModel.TINY)
    String model;

    /** Precision of the picture to compare with. */
    @Param("fp32")
    String check;

    private ZImagePipeline pipeline;
    private GenerationRequest request;
    private byte[] expected;
    private byte @Nullable [] first;
    private @Nullable GeneratedImage latest;

    /** For subclasses. */
    protected PictureBenchmark() {}

    /** Returns a request to go on with. */
    static GenerationRequest.Builder request(int size, int steps) {
        return GenerationRequest.builder()
                .prompt(PROMPT)
                .size(size, size)
                .steps(steps)
                .seed(1);
    }

    /** Returns the precision of a name such as {@code bf16}. */
    static Precision precision(String name) {
        return Precision.valueOf(name.toUpperCase(Locale.ROOT));
    }

    /** Draws the picture to compare with, and loads the model. */
    final void open(PipelineBuilder builder, GenerationRequest request) {
        this.request = request;
        expected = Reference.picture(model, precision(check), request);
        pipeline = builder.model(BenchModel.folder(model)).build();
    }

    /** Returns the pipeline that {@link #open} loaded. */
    final ZImagePipeline pipeline() {
        return pipeline;
    }

    /** Draws a picture. */
    final GeneratedImage draw() {
        latest = pipeline.generate(request);
        return latest;
    }

    /** Checks the latest picture and notes where its time went. */
    @TearDown(Level.Iteration)
    public void checkPicture() {
        if (latest == null) {
            throw new IllegalStateException("no picture was drawn");
        }
        byte[] rgb = latest.rgb();
        if (first == null) {
            first = rgb;
        }
        if (!Arrays.equals(first, rgb)) {
            throw new IllegalStateException("the same request gave another picture than before");
        }
        boolean eightBits = latest.parameters() != null && latest.parameters().precision() == Precision.INT8;
        Reference.requireNear(rgb, expected, eightBits ? FARTHEST_INT8 : FARTHEST, "the picture");
        ReadingsProfiler.put("distance.check", Reference.distance(rgb, expected), "levels");
        GeneratedImage.Timings timings = latest.timings();
        ReadingsProfiler.put(
                "time.step", millis(timings.denoise()) / timings.steps().size(), "ms");
        ReadingsProfiler.put("time.decode", millis(timings.decode()), "ms");
        readings(rgb);
    }

    /** Notes further readings of a picture. */
    void readings(byte[] rgb) {}

    private static double millis(Duration duration) {
        return duration.toNanos() / 1e6;
    }

    /** Frees the model. */
    @TearDown
    public void close() {
        pipeline.close();
    }
}
