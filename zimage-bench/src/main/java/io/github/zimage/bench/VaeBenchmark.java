package io.github.zimage.bench;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.vae.PictureDecoder;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.VaeTiling;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
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
 * How long does it take to decode latents, and what do tiles cost and save? The picture is compared with the one decoded whole in
 * FP32.
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar VaeBenchmark -p model=DIR -p size=512,1024}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 2)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class VaeBenchmark {
    /** BF16 is within half a level of FP32 on the models tried. */
    private static final double FARTHEST = 2;

    @Param(BenchModel.TINY)
    String model;

    @Param("256")
    int size;

    @Param({"fp32", "bf16"})
    String dtype;

    @Param({"off", "on"})
    String tiling;

    private DeviceThread device;
    private WeightStore weights;
    private PictureDecoder vae;
    private Tensor latents;
    private byte[] expected;
    private byte[] latest;

    /** For JMH. */
    public VaeBenchmark() {}

    /** Loads the decoder. */
    @Setup
    public void setUp() {
        device = new DeviceThread("vae");
        device.submit(this::load).join();
        expected = decoded(Precision.FP32);
        open(PictureBenchmark.precision(dtype), VaeTiling.parse(tiling));
    }

    private boolean load() {
        try (PointerScope scope = new PointerScope()) {
            GeneratorOptional generator = new GeneratorOptional(torch.make_generator_cpu(1));
            latents = Tensors.keep(
                    torch.randn(new long[] {16, size / 8, size / 8}, generator, new TensorOptions(ScalarType.Float)));
        }
        return true;
    }

    private byte[] decoded(Precision precision) {
        open(precision, VaeTiling.off());
        decode();
        device.submit(() -> {
                    weights.close();
                    return true;
                })
                .join();
        return latest;
    }

    private void open(Precision precision, VaeTiling tiles) {
        Checkpoint checkpoint = Checkpoint.open(BenchModel.folder(model), null);
        vae = device.submit(() -> {
                    try (PointerScope scope = new PointerScope()) {
                        weights = new WeightStore(checkpoint.weights(Component.VAE), bytes -> {});
                        return new PictureDecoder(
                                checkpoint.vae(),
                                weights,
                                () -> new WeightStore(checkpoint.weights(Component.VAE), bytes -> {}),
                                type -> new CpuKernels(AttentionSelector.select(AttentionBackend.AUTO, type), type),
                                precision,
                                TileChoice.of(tiles));
                    }
                })
                .join();
    }

    /** Decodes the latents. */
    @Benchmark
    public byte[] decode() {
        latest = device.submit(() -> {
                    try (PointerScope scope = new PointerScope()) {
                        Tensor image = vae.decode(latents, () -> {}); // [height, width, 3]
                        byte[] rgb = new byte[size * size * 3];
                        new BytePointer(image.data_ptr()).get(rgb);
                        return rgb;
                    }
                })
                .join();
        return latest;
    }

    /** Checks the latest picture. */
    @TearDown(Level.Iteration)
    public void check() {
        Reference.requireNear(latest, expected, FARTHEST, "the decoded picture");
        ReadingsProfiler.put("distance.check", Reference.distance(latest, expected), "levels");
    }

    /** Frees the decoder. */
    @TearDown
    public void close() {
        device.close(() -> {
            weights.close();
            latents.close();
        });
    }
}
