package io.github.zimage.bench;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/**
 * What does a step more cost, and what does it bring? Draws a picture in 4 to 12 steps and says how far it is from the one drawn in
 * 50, in levels of 255 ({@code distance.reference}).
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar StepsBenchmark -p model=DIR -p size=512,1024 -rf json -rff steps.json}</pre>
 */
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class StepsBenchmark extends PictureBenchmark {
    @Param({"4", "5", "6", "7", "8", "9", "10", "11", "12"})
    int steps;

    @Param("256")
    int size;

    @Param("bf16")
    String dtype;

    @Param("50")
    int referenceSteps;

    private byte[] reference;

    /** For JMH. */
    public StepsBenchmark() {}

    /** Loads the model and draws the references. */
    @Setup
    public void setUp() {
        GenerationRequest request = request(size, steps).build();
        reference = Reference.picture(
                model,
                precision(check),
                request.toBuilder().steps(referenceSteps).build());
        open(ZImagePipeline.builder().precision(precision(dtype)), request);
    }

    /** Draws the picture. */
    @Benchmark
    public GeneratedImage picture() {
        return draw();
    }

    @Override
    void readings(byte[] rgb) {
        ReadingsProfiler.put("distance.reference", Reference.distance(rgb, reference), "levels");
    }
}
