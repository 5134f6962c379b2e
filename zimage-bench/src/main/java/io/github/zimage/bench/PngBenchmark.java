package io.github.zimage.bench;

import io.github.zimage.internal.image.AwtImage;
import io.github.zimage.internal.image.PngEncoder;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
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
 * How long does a PNG take, and how large is it beside that of ImageIO ({@code png.ratio})? The picture is as hard to compress as a
 * photograph: soft shapes and a little noise. ImageIO must read the same pixels back.
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar PngBenchmark}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class PngBenchmark {
    @Param({"512", "1024"})
    int size;

    private byte[] rgb;
    private byte[] latest;
    private int imageIoBytes;

    /** For JMH. */
    public PngBenchmark() {}

    /** Makes the picture. */
    @Setup
    public void setUp() throws IOException {
        rgb = picture(size);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(AwtImage.of(size, size, rgb), "png", bytes);
        imageIoBytes = bytes.size();
    }

    private static byte[] picture(int size) {
        Random random = new Random(1);
        byte[] rgb = new byte[size * size * 3];
        for (int y = 0, at = 0; y < size; y++) {
            for (int x = 0; x < size; x++) {
                for (int channel = 0; channel < 3; channel++, at++) {
                    double soft =
                            Math.sin(9.0 * x / size + channel) + Math.cos(7.0 * y / size * (1 + x / (2.0 * size)));
                    rgb[at] = (byte) Math.round(128 + 50 * soft + random.nextGaussian() * 1.5);
                }
            }
        }
        return rgb;
    }

    /** Encodes the picture. */
    @Benchmark
    public byte[] png() {
        latest = PngEncoder.encode(size, size, rgb, Map.of());
        return latest;
    }

    /** Checks the latest file. */
    @TearDown(Level.Iteration)
    public void check() throws IOException {
        BufferedImage decoded = ImageIO.read(new ByteArrayInputStream(latest));
        BufferedImage expected = AwtImage.of(size, size, rgb);
        int[] pixels = decoded.getRGB(0, 0, size, size, null, 0, size);
        if (!Arrays.equals(pixels, expected.getRGB(0, 0, size, size, null, 0, size))) {
            throw new IllegalStateException("the PNG holds other pixels");
        }
        ReadingsProfiler.put("png.ratio", latest.length / (double) imageIoBytes, "1");
    }
}
