package io.github.zimage.bench;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/**
 * What does it cost in time, and save in memory, to keep weights elsewhere than in memory? {@code placement} is where text encoder and
 * transformer are, {@code planned} to leave that to the planner within {@code budget}. Says what the plan promised
 * ({@code memory.predicted}) beside what was resident ({@code memory.peak}).
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar PlacementBenchmark -p model=DIR -p placement=planned -p budget=6g,8g,12g,24g}</pre>
 */
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class PlacementBenchmark extends PictureBenchmark {
    private static final String PLANNED = "planned";
    private static final String NONE = "none";

    @Param({"cpu", "disk", "stream:disk"})
    String placement;

    @Param(NONE)
    String budget;

    @Param("bf16")
    String dtype;

    @Param("8")
    int steps;

    @Param("256")
    int size;

    /** For JMH. */
    public PlacementBenchmark() {}

    /** Loads the model and draws the reference. */
    @Setup
    public void setUp() {
        GenerationRequest request = request(size, steps).build();
        PipelineBuilder builder =
                ZImagePipeline.builder().precision(precision(dtype)).planFor(request);
        if (!placement.equals(PLANNED)) {
            builder.place(Component.TEXT_ENCODER, Placement.parse(placement))
                    .place(Component.TRANSFORMER, Placement.parse(placement));
        }
        if (!budget.equals(NONE)) {
            builder.memoryBudget(MemorySize.parse(budget));
        }
        open(builder, request);
    }

    /** Draws the picture. */
    @Benchmark
    public GeneratedImage picture() {
        return draw();
    }

    @Override
    void readings(byte[] rgb) {
        double mebibyte = 1 << 20;
        ReadingsProfiler.put("memory.predicted", pipeline().plan().peaks().highest() / mebibyte, "MiB");
    }
}
