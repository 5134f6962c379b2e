package io.github.zimage.internal.vae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.placement.EncodeMemory;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.VaeTiling;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that tiles change latents by rounding only, that what fails in BF16 comes in FP32, and what is made of moments. */
final class PictureEncoderTest {
    @TempDir
    static Path folder;

    private static Checkpoint model;

    @BeforeAll
    static void writeModel() {
        NativeRuntime.load();
        model = written("sound");
    }

    private static Checkpoint written(String name) {
        SyntheticModel.write(folder.resolve(name), SyntheticModel.Size.TINY, Precision.FP32, 5, bytes -> {});
        return Checkpoint.open(folder.resolve(name), null);
    }

    // Heights that the tiles divide and that they do not; tiles of one row at the coarsest level, and larger than the
    // picture. FP32 sums in another order: a few times 1e-7 of the largest numbers.
    @ParameterizedTest
    @CsvSource({"128, 96, 8", "128, 96, 16", "136, 40, 24", "16, 16, 8", "64, 200, 64", "64, 48, 8192", "40, 24, 16"})
    void tiledFp32_differsByRoundingOnly(int height, int width, int rows) {
        Moments whole = encode(model, Precision.FP32, VaeTiling.off(), height, width);
        Moments tiled = encode(model, Precision.FP32, VaeTiling.ofRows(rows), height, width);

        assertThat(whole.mean()).hasSize(16 * height / 8 * width / 8);
        assertThat(distance(tiled.mean(), whole.mean())).isLessThan(5e-6);
        assertThat(distance(tiled.deviation(), whole.deviation())).isLessThan(5e-6);
    }

    // A seam, or norms that know their tile only, would be far above what BF16 rounds, some 1e-2.
    @ParameterizedTest
    @CsvSource({"256, 256, 32", "256, 512, 0"})
    void tiledBf16_staysBelowBf16sOwnRounding(int height, int width, int rows) {
        Moments exact = encode(model, Precision.FP32, VaeTiling.off(), height, width);
        Moments whole = encode(model, Precision.BF16, VaeTiling.off(), height, width);
        Moments tiled = encode(model, Precision.BF16, new VaeTiling(VaeTiling.Mode.ON, rows), height, width);
        double rounding = distance(whole.mean(), exact.mean());
        assertThat(rounding).isBetween(1e-4, 5e-2);
        assertThat(distance(tiled.mean(), exact.mean())).isLessThan(1.25 * rounding);
    }

    @Test
    void encodingCanBeCancelledBetweenTiles() {
        AtomicInteger whole = new AtomicInteger();
        AtomicInteger tiled = new AtomicInteger();
        encode(model, Precision.FP32, VaeTiling.off(), 128, 64, whole::incrementAndGet, new ArrayList<>(), 1);
        encode(model, Precision.FP32, VaeTiling.ofRows(8), 128, 64, tiled::incrementAndGet, new ArrayList<>(), 1);
        assertThat(tiled.get()).isGreaterThan(4 * whole.get());
        for (int stop = 1; stop < tiled.get(); stop += 7) {
            AtomicInteger left = new AtomicInteger(stop);
            assertThatThrownBy(() -> encode(
                            model,
                            Precision.FP32,
                            VaeTiling.ofRows(8),
                            128,
                            64,
                            () -> {
                                if (left.decrementAndGet() == 0) {
                                    throw new CancellationException();
                                }
                            },
                            new ArrayList<>(),
                            1))
                    .isInstanceOf(CancellationException.class);
        }
    }

    @ParameterizedTest
    @CsvSource({"OFF", "ON"})
    void pictureThatOverflowsInBf16_isEncodedInFp32(VaeTiling.Mode mode) throws IOException {
        Checkpoint overflowing = written("overflowing-" + mode);
        // The largest FP32 numbers are infinite in BF16. In FP32 the weights behind bring them back.
        fill(overflowing, "encoder.down_blocks.0.resnets.0.norm2.bias", 3.4e38f);
        fill(overflowing, "encoder.down_blocks.0.resnets.0.conv2.weight", 2e-38f);
        VaeTiling tiling = new VaeTiling(mode, 0);
        List<WeightStore> reopened = new ArrayList<>();
        Moments inFp32 = encode(overflowing, Precision.FP32, tiling, 64, 64);
        Moments inBf16 = encode(overflowing, Precision.BF16, tiling, 64, 64, () -> {}, reopened, Long.MAX_VALUE);
        assertThat(inBf16.mean()).isEqualTo(inFp32.mean());
        assertThat(reopened).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource({"BF16", "FP32"})
    void momentsThatAreNotFiniteAtAll_areAnError(Precision precision) throws IOException {
        Checkpoint damaged = written("damaged-" + precision);
        fill(damaged, "encoder.conv_in.bias", Float.NaN);
        assertThatThrownBy(() -> encode(damaged, precision, VaeTiling.off(), 32, 32))
                .isInstanceOf(ZImageException.class)
                .hasMessageContaining("the VAE's encoder gave values that are not finite from a picture, in FP32");
    }

    // Left to itself, a picture goes in tiles only if there is no room for all of it.
    @Test
    void automaticTiles_comeWhereTheyAreNeeded() {
        long planned = EncodeMemory.peakBytes(model.vae(), 256, 256, Precision.FP32, 0);
        assertThat(looks(planned - 1)).isGreaterThan(looks(planned));
    }

    private static int looks(long room) {
        AtomicInteger looks = new AtomicInteger();
        encode(model, Precision.FP32, VaeTiling.auto(), 256, 256, looks::incrementAndGet, new ArrayList<>(), room);
        return looks.get();
    }

    @Test
    void latents_areTheMeanOrADrawAroundIt_scaledAsTheConfigurationSays() {
        Moments moments = new Moments(1, 1, 3, new float[] {0.5f, -1, 2}, new float[] {0.25f, 1, 0});
        double scaling = model.vae().scalingFactor();
        double shift = model.vae().shiftFactor();
        try (PointerScope scope = new PointerScope()) {
            float[] mode = Tensors.toFloats(moments.mode(model.vae(), TensorPlace.CPU));
            float[] sample = Tensors.toFloats(
                    moments.sample(model.vae(), Tensors.of(new float[] {2, -3, 100}, 1, 1, 3), TensorPlace.CPU));
            double[] drawn = {0.5 + 0.25 * 2, -1 - 3, 2};
            // Numbers up to 4 in FP32, rounded three times: 2.4e-7 each at most.
            for (int i = 0; i < 3; i++) {
                assertThat((double) mode[i]).isCloseTo((moments.mean()[i] - shift) * scaling, within(1e-6));
                assertThat((double) sample[i]).isCloseTo((drawn[i] - shift) * scaling, within(1e-6));
            }
        }
    }

    private static double distance(float[] actual, float[] expected) {
        double difference = 0;
        double length = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow(actual[i] - expected[i], 2);
            length += Math.pow(expected[i], 2);
        }
        return Math.sqrt(difference / length);
    }

    private static void fill(Checkpoint checkpoint, String name, float value) throws IOException {
        TensorEntry entry = checkpoint.weights(Component.VAE_ENCODER).get(name);
        ByteBuffer bytes = ByteBuffer.allocate((int) entry.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putFloat(value);
        }
        try (FileChannel file = FileChannel.open(entry.file(), StandardOpenOption.WRITE)) {
            file.write(bytes.flip(), entry.offset());
        }
    }

    private static Moments encode(Checkpoint checkpoint, Precision precision, VaeTiling tiling, int height, int width) {
        return encode(checkpoint, precision, tiling, height, width, () -> {}, new ArrayList<>(), Long.MAX_VALUE);
    }

    private static Moments encode(
            Checkpoint checkpoint,
            Precision precision,
            VaeTiling tiling,
            int height,
            int width,
            Runnable cancellation,
            List<WeightStore> reopened,
            long room) {
        try (PointerScope scope = new PointerScope();
                WeightStore store = store(checkpoint)) {
            PictureEncoder encoder = new PictureEncoder(
                    checkpoint.vae(),
                    store,
                    () -> {
                        reopened.add(store(checkpoint));
                        return reopened.get(reopened.size() - 1);
                    },
                    type -> new CpuKernels(AttentionSelector.select(new AttentionBackend("blockwise"), type), type),
                    precision,
                    new TileChoice(tiling, () -> room));
            return encoder.encode(picture(height, width), width, height, cancellation);
        }
    }

    private static WeightStore store(Checkpoint checkpoint) {
        return new WeightStore(checkpoint.weights(Component.VAE_ENCODER), done -> {});
    }

    /** A picture whose statistics change from the top to the bottom, as those of one with a sky do. */
    private static byte[] picture(int height, int width) {
        Random random = new Random(3);
        byte[] rgb = new byte[3 * height * width];
        for (int i = 0; i < rgb.length; i++) {
            int row = i / 3 / width;
            rgb[i] = (byte) Math.max(
                    0, Math.min(255, 255.0 * row / height + random.nextGaussian() * (5 + 40.0 * row / height)));
        }
        return rgb;
    }
}
