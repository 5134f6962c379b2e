package io.github.zimage.internal.upscale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.RrdbNetConfig;
import io.github.zimage.internal.image.Lanczos;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that tiles leave no seams, that all sizes are enlarged, and that enlarging can be cancelled. */
final class PictureUpscalerTest {
    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    private static Upscalers.Case named(String name) {
        return Upscalers.cases().stream()
                .filter(each -> each.toString().startsWith(name))
                .findFirst()
                .orElseThrow();
    }

    private static Pixels picture(int width, int height) {
        byte[] coarse = new byte[3 * 12 * 9];
        new Random(4).nextBytes(coarse);
        Pixels pixels = Lanczos.resize(new Pixels(12, 9, 3, coarse), width, height);
        Random grain = new Random(5);
        for (int i = 0; i < pixels.data().length; i++) {
            int value = Byte.toUnsignedInt(pixels.data()[i]) + grain.nextInt(17) - 8;
            pixels.data()[i] = (byte) Math.max(0, Math.min(value, 255));
        }
        return pixels;
    }

    private static Pixels enlarged(String name, Pixels picture, int tile, Precision precision) {
        UpscalerFile file = UpscalerFile.read(named(name).file());
        try (WeightStore store = Upscalers.store(file)) {
            return Upscalers.upscaler(file, store, precision).upscale(picture, tile, () -> {});
        }
    }

    // A single block sees 18 pixels far, less than the overlap: each number is computed from the same ones, in another
    // order at most, and a level differs only where it lies between two.
    @ParameterizedTest
    @CsvSource({
        "esrgan-2018-x2, 150, 97, 40",
        "esrgan-2019-x4, 97, 64, 32",
        "esrgan-2018-x8, 70, 75, 69",
        "basicsr-x2, 141, 95, 24",
        "basicsr-x1, 203, 202, 16"
    })
    void tiles_leaveNoSeams(String name, int width, int height, int tile) {
        Pixels picture = picture(width, height);
        Pixels whole = enlarged(name, picture, 4096, Precision.FP32);
        Pixels tiled = enlarged(name, picture, tile, Precision.FP32);
        int scale = named(name).scale();
        assertThat(tiled.width()).isEqualTo(whole.width()).isEqualTo(scale * width);
        assertThat(tiled.height()).isEqualTo(scale * height);
        int differing = 0;
        for (int i = 0; i < whole.data().length; i++) {
            int by = Math.abs(Byte.toUnsignedInt(whole.data()[i]) - Byte.toUnsignedInt(tiled.data()[i]));
            assertThat(by).isLessThanOrEqualTo(1);
            differing += by;
        }
        assertThat(differing).isLessThan(whole.data().length / 1000);
    }

    // With 23 blocks, as Real-ESRGAN has, a number could depend on others 345 pixels away. What lies beyond the overlap
    // changes
    // it by a hundredth of a level, so that a level differs only where it lies between two.
    @Test
    void tilesOfADeepNetwork_leaveNoSeams(@TempDir Path folder) throws IOException {
        UpscalerFile file =
                UpscalerFile.read(random(folder.resolve("deep.safetensors"), new RrdbNetConfig(1, 8, 4, 23, 2)));
        Pixels picture = picture(160, 24);
        try (WeightStore store = Upscalers.store(file)) {
            PictureUpscaler upscaler = Upscalers.upscaler(file, store, Precision.FP32);
            byte[] whole = upscaler.upscale(picture, 4096, () -> {}).data();
            byte[] tiled = upscaler.upscale(picture, 40, () -> {}).data();
            int differing = 0;
            for (int i = 0; i < whole.length; i++) {
                int by = Math.abs(Byte.toUnsignedInt(whole[i]) - Byte.toUnsignedInt(tiled[i]));
                assertThat(by).isLessThanOrEqualTo(1);
                differing += by;
            }
            assertThat(differing).isLessThan(whole.length / 100);
        }
    }

    /** Weights that keep the size of what passes through. */
    private static Path random(Path file, RrdbNetConfig config) throws IOException {
        List<SafetensorsWriter.Tensor> tensors = config.tensors().entrySet().stream()
                .map(each -> new SafetensorsWriter.Tensor(each.getKey(), StorageType.F32, each.getValue()))
                .toList();
        Random random = new Random(6);
        try (SafetensorsWriter writer = new SafetensorsWriter(file, tensors, Map.of())) {
            for (SafetensorsWriter.Tensor each : tensors) {
                boolean bias = each.name().endsWith("bias");
                double size = bias ? 0.1 : Math.sqrt(2 / (9.0 * each.shape().get(1)));
                double last = each.name().startsWith("conv_last") ? 0.3 : 1;
                double middle = each.name().equals("conv_last.bias") ? 0.5 : 0;
                ByteBuffer bytes = ByteBuffer.allocate((int) each.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
                while (bytes.hasRemaining()) {
                    bytes.putFloat((float) (middle + last * size * random.nextGaussian()));
                }
                writer.write(bytes.flip());
            }
            writer.commit();
        }
        return file;
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "1, 7", "5, 1", "2, 3"})
    void smallestPictures_areEnlarged(int width, int height) {
        for (Upscalers.Case each : Upscalers.cases()) {
            Pixels large = enlarged(each.toString(), picture(width, height), 4096, Precision.BF16);
            assertThat(large.width()).isEqualTo(each.scale() * width);
            assertThat(large.height()).isEqualTo(each.scale() * height);
        }
    }

    @Test
    void enlarging_canBeCancelled() {
        UpscalerFile file = UpscalerFile.read(named("basicsr-x4").file());
        try (WeightStore store = Upscalers.store(file)) {
            PictureUpscaler upscaler = Upscalers.upscaler(file, store, Precision.FP32);
            AtomicInteger all = new AtomicInteger();
            upscaler.upscale(picture(40, 30), 20, all::incrementAndGet);
            assertThat(all.get()).isGreaterThan(4);
            for (int stop = 1; stop <= all.get(); stop++) {
                AtomicInteger left = new AtomicInteger(stop);
                assertThatThrownBy(() -> upscaler.upscale(picture(40, 30), 20, () -> {
                            if (left.decrementAndGet() == 0) {
                                throw new CancellationException();
                            }
                        }))
                        .isInstanceOf(CancellationException.class);
            }
        }
    }
}
