package io.github.zimage.bench;

import io.github.zimage.AttentionBackend;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
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
 * Which attention backend is the fastest, at which length? 512 by 512 pixels are 1024 tokens and those of the prompt, 1024 by 1024 are
 * 4096. The last rows are compared with FP64.
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar AttentionBenchmark -p heads=30 -p length=1152,4224}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class AttentionBenchmark {
    private static final long HEAD_DIM = 128;
    private static final long CHECKED_ROWS = 16;

    @Param({"blockwise", "sdpa", "flash", "math"})
    String backend;

    @Param({"288", "1152"})
    long length;

    @Param("4")
    long heads;

    @Param("bf16")
    String dtype;

    private DeviceThread device;
    private Attention attention;
    private Tensor query;
    private Tensor key;
    private Tensor value;
    private Tensor expected;
    private Tensor latest;

    /** For JMH. */
    public AttentionBenchmark() {}

    /** Makes the tensors. */
    @Setup
    public void setUp() {
        device = new DeviceThread("attention");
        device.submit(this::makeTensors).join();
    }

    private boolean makeTensors() {
        try (PointerScope scope = new PointerScope()) {
            attention = AttentionSelector.select(new AttentionBackend(backend), PictureBenchmark.precision(dtype));
            query = random(1, Math.sqrt(1.0 / HEAD_DIM));
            key = random(2, 1);
            value = random(3, 1);
            expected = Tensors.keep(lastRows(query)
                    .to(ScalarType.Double)
                    .matmul(key.to(ScalarType.Double).transpose(1, 2))
                    .softmax(-1)
                    .matmul(value.to(ScalarType.Double)));
            latest = Tensors.keep(torch.zeros_like(query));
        }
        return true;
    }

    private Tensor random(long seed, double scale) {
        GeneratorOptional generator = new GeneratorOptional(torch.make_generator_cpu(seed));
        Tensor noise =
                torch.randn(new long[] {length, heads, HEAD_DIM}, generator, new TensorOptions(ScalarType.Float));
        return Tensors.keep(noise.mul(new Scalar(scale))
                .to(Tensors.scalarType(PictureBenchmark.precision(dtype)))
                .transpose(0, 1)); // [H, S, D] over [S, H, D]
    }

    private Tensor lastRows(Tensor x) {
        return x.narrow(1, length - CHECKED_ROWS, CHECKED_ROWS);
    }

    /** Computes attention once. */
    @Benchmark
    public boolean attend() {
        return device.submit(() -> {
                    Tensor result = Tensors.scoped(() -> attention.attend(query, key, value, false));
                    latest.close();
                    latest = Tensors.keep(result);
                    return true;
                })
                .join();
    }

    /** Checks the latest result. */
    @TearDown(Level.Iteration)
    public void check() {
        double distance = device.submit(() -> {
                    try (PointerScope scope = new PointerScope()) {
                        Tensor difference =
                                lastRows(latest).to(ScalarType.Double).sub(expected);
                        return difference.norm().item_double() / expected.norm().item_double();
                    }
                })
                .join();
        double most = PictureBenchmark.precision(dtype).bytes() == 4 ? 1e-5 : 1e-2;
        if (!(distance <= most)) {
            throw new IllegalStateException("attention is off by " + distance + ", more than " + most);
        }
        ReadingsProfiler.put("distance.relative", distance, "1");
    }

    /** Frees the tensors. */
    @TearDown
    public void close() {
        device.close(() -> {
            for (Tensor tensor : new Tensor[] {query, key, value, expected, latest}) {
                tensor.close();
            }
        });
    }
}
