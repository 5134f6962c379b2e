package io.github.zimage.bench;

import io.github.zimage.GeneratedImage;
import io.github.zimage.ZImagePipeline;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/**
 * What does guidance cost, and what does it save to switch it off part of the way?
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar GuidanceBenchmark -p model=DIR -p size=512 -p steps=28}</pre>
 */
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class GuidanceBenchmark extends PictureBenchmark {
    @Param({"0", "4"})
    double guidance;

    @Param({"1", "0.5"})
    double cfgTruncation;

    @Param("bf16")
    String dtype;

    @Param("8")
    int steps;

    @Param("256")
    int size;

    /** For JMH. */
    public GuidanceBenchmark() {}

    /** Loads the model and draws the reference. */
    @Setup
    public void setUp() {
        open(
                ZImagePipeline.builder().precision(precision(dtype)),
                request(size, steps)
                        .guidance(guidance)
                        .cfgTruncation(cfgTruncation)
                        .build());
    }

    /** Draws the picture. */
    @Benchmark
    public GeneratedImage picture() {
        return draw();
    }
}
