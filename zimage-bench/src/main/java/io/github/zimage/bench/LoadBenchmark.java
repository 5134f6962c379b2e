package io.github.zimage.bench;

import io.github.zimage.ConversionCache;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImagePipeline;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long does it take from a checkpoint's folder to a pipeline? Weights in the precision they are computed in are mapped; others are
 * converted, unless they were kept by the conversion cache, here in a temporary folder. After each loading the smallest picture is drawn, not timed, and compared with that of the first.
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar LoadBenchmark -p model=DIR}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 1)
@Measurement(iterations = 5)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class LoadBenchmark {
    private static final GenerationRequest SMALLEST =
            PictureBenchmark.request(64, 1).build();

    /** What another attention backend changes, which each loading may choose anew. */
    private static final double OTHER_BACKEND = 2;

    @Param(BenchModel.TINY)
    String model;

    @Param({"fp32", "bf16", "int8"})
    String dtype;

    /** Whether what has to be converted is kept: {@code off} converts it in each loading. */
    @Param({"off", "kept"})
    String cache;

    private ConversionCache conversionCache;
    private byte[] expected;
    private ZImagePipeline loaded;

    /** For JMH. */
    public LoadBenchmark() {}

    /** Converts what is to be kept, and draws the picture to compare with. */
    @Setup
    public void setUp() throws IOException {
        conversionCache = ConversionCache.off();
        if (cache.equals("kept")) {
            conversionCache = ConversionCache.in(BenchModel.temporaryFolder());
            builder().convert();
        }
        try (ZImagePipeline pipeline = load()) {
            expected = pipeline.generate(SMALLEST).rgb();
        }
    }

    /** Loads the model. */
    @Benchmark
    public ZImagePipeline load() {
        loaded = builder().build();
        return loaded;
    }

    private PipelineBuilder builder() {
        return ZImagePipeline.builder()
                .model(BenchModel.folder(model))
                .precision(PictureBenchmark.precision(dtype))
                .conversionCache(conversionCache);
    }

    /** Checks that what was loaded draws. */
    @TearDown(Level.Invocation)
    public void check() {
        try (ZImagePipeline pipeline = loaded) {
            GeneratedImage picture = pipeline.generate(SMALLEST);
            Reference.requireNear(picture.rgb(), expected, OTHER_BACKEND, "the loaded model's picture");
        }
    }
}
