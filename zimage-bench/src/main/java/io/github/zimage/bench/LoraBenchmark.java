package io.github.zimage.bench;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Lora;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
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
 * What does a request wait for if it has another LoRA than the one before? {@code another} minus {@code same}. Each picture must be the same, to
 * the last bit, as the first with its LoRA, and those of both LoRAs must differ.
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar LoraBenchmark -p model=DIR -p files=A.safetensors:B.safetensors}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 1, time = 2)
@Measurement(iterations = 3, time = 5)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class LoraBenchmark {
    private static final String RANDOM = "random";

    /** {@code tiny}, or the folder of a checkpoint. */
    @Param(BenchModel.TINY)
    String model;

    /** Two files with a colon between them, or {@code random} for two that are made. */
    @Param(RANDOM)
    String files;

    @Param("bf16")
    String dtype;

    @Param("1")
    int steps;

    @Param("64")
    int size;

    private ZImagePipeline pipeline;
    private final GenerationRequest[] requests = new GenerationRequest[2];
    private final byte[][] expected = new byte[2][];
    private int latest;

    /** For JMH. */
    public LoraBenchmark() {}

    /** Loads the model and draws a picture with each LoRA. */
    @Setup
    public void setUp() throws IOException {
        Path folder = BenchModel.folder(model);
        List<Path> loras = loras(folder);
        pipeline = ZImagePipeline.builder()
                .model(folder)
                .precision(PictureBenchmark.precision(dtype))
                .build();
        for (int i = 0; i < requests.length; i++) {
            requests[i] = PictureBenchmark.request(size, steps)
                    .lora(Lora.of(loras.get(i)))
                    .build();
            expected[i] = pipeline.generate(requests[i]).rgb();
        }
        if (Arrays.equals(expected[0], expected[1])) {
            throw new IllegalStateException("both LoRAs gave the same picture");
        }
    }

    private List<Path> loras(Path folder) throws IOException {
        if (!files.equals(RANDOM)) {
            return Arrays.stream(files.split(":", 2)).map(Path::of).toList();
        }
        Checkpoint checkpoint = Checkpoint.open(folder, null);
        Path made = BenchModel.temporaryFolder();
        return List.of(
                RandomLora.write(made.resolve("a.safetensors"), checkpoint, 32),
                RandomLora.write(made.resolve("b.safetensors"), checkpoint, 16));
    }

    /** Draws with the LoRA of the picture before. */
    @Benchmark
    public GeneratedImage same() {
        return draw(latest);
    }

    /** Draws with the other LoRA. */
    @Benchmark
    public GeneratedImage another() {
        return draw(1 - latest);
    }

    private GeneratedImage draw(int number) {
        latest = number;
        GeneratedImage image = pipeline.generate(requests[number]);
        if (!Arrays.equals(image.rgb(), expected[number])) {
            throw new IllegalStateException("the same request gave another picture than before");
        }
        return image;
    }

    /** Frees the model. */
    @TearDown
    public void close() {
        pipeline.close();
    }
}
