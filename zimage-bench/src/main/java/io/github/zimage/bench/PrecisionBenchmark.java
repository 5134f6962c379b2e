package io.github.zimage.bench;

import io.github.zimage.GeneratedImage;
import io.github.zimage.ZImagePipeline;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/**
 * What does each number format cost in time, memory and fidelity?
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar PrecisionBenchmark -p model=DIR -p size=512}</pre>
 */
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class PrecisionBenchmark extends PictureBenchmark {
    @Param({"fp32", "bf16", "int8"})
    String dtype;

    @Param("8")
    int steps;

    @Param("256")
    int size;

    /** For JMH. */
    public PrecisionBenchmark() {}

    /** Loads the model and draws the reference. */
    @Setup
    public void setUp() {
        open(
                ZImagePipeline.builder().precision(precision(dtype)),
                request(size, steps).build());
    }

    /** Draws the picture. */
    @Benchmark
    public GeneratedImage picture() {
        return draw();
    }
}
