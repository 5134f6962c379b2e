package io.github.zimage.internal.vae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.placement.DecodeMemory;
import io.github.zimage.internal.placement.TileChoice;
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
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that tiles change a picture by rounding only, and that a picture that fails in BF16 comes in FP32. */
final class PictureDecoderTest {
    private static final int CHANNELS = 16;

    @TempDir
    static Path folder;

    private static Checkpoint model;

    @BeforeAll
    static void writeModel() {
        model = written("sound");
    }

    private static Checkpoint written(String name) {
        return written(name, 5);
    }

    private static Checkpoint written(String name, int seed) {
        SyntheticModel.write(folder.resolve(name), SyntheticModel.Size.TINY, Precision.FP32, seed, bytes -> {});
        return Checkpoint.open(folder.resolve(name), null);
    }

    // Heights that the tiles divide and that they do not; tiles of one row at the coarsest level, and larger than the
    // picture.
    @ParameterizedTest
    @CsvSource({"128, 96, 8", "128, 96, 16", "136, 40, 24", "16, 16, 8", "64, 200, 64", "64, 48, 8192"})
    void tiledFp32_differsByRoundingOnly(int height, int width, int rows) {
        byte[] whole = decode(model, Precision.FP32, VaeTiling.off(), height, width);
        byte[] tiled = decode(model, Precision.FP32, VaeTiling.ofRows(rows), height, width);

        assertThat(whole).hasSize(height * width * 3);
        assertThat(Psnr.decibels(whole, tiled)).isGreaterThan(75);
    }

    // A seam, or norms that know their tile only, would show far below this even where BF16 rounds.
    @ParameterizedTest
    @CsvSource({"5, 256, 256, 32", "5, 256, 256, 0", "6, 512, 768, 0", "7, 1024, 1024, 0"})
    void tiledBf16_staysBelowBf16sOwnRounding(int seed, int height, int width, int rows) {
        Checkpoint random = written("random-" + seed + "-" + rows, seed);
        byte[] exact = decode(random, Precision.FP32, VaeTiling.off(), height, width);
        byte[] whole = decode(random, Precision.BF16, VaeTiling.off(), height, width);
        byte[] tiled = decode(random, Precision.BF16, new VaeTiling(VaeTiling.Mode.ON, rows), height, width);

        assertThat(Psnr.decibels(whole, tiled)).isGreaterThan(45);
        assertThat(Psnr.decibels(exact, tiled)).isGreaterThan(Psnr.decibels(exact, whole) - 1);
    }

    @Test
    void tiledDecode_canBeCancelledBetweenTiles() {
        AtomicInteger whole = new AtomicInteger();
        AtomicInteger tiled = new AtomicInteger();
        decode(model, Precision.FP32, VaeTiling.off(), 128, 64, whole::incrementAndGet);
        decode(model, Precision.FP32, VaeTiling.ofRows(8), 128, 64, tiled::incrementAndGet);
        assertThat(tiled.get()).isGreaterThan(4 * whole.get());

        for (int stop = 1; stop < tiled.get(); stop += 7) {
            AtomicInteger left = new AtomicInteger(stop);
            assertThatThrownBy(() -> decode(model, Precision.FP32, VaeTiling.ofRows(8), 128, 64, () -> {
                        if (left.decrementAndGet() == 0) {
                            throw new CancellationException();
                        }
                    }))
                    .isInstanceOf(CancellationException.class);
        }
    }

    @ParameterizedTest
    @CsvSource({"OFF", "ON"})
    void pictureThatOverflowsInBf16_isDecodedInFp32(VaeTiling.Mode mode) throws IOException {
        Checkpoint overflowing = written("overflowing-" + mode);
        // The largest FP32 numbers are infinite in BF16. In FP32 the weights behind bring them back.
        fill(overflowing, "decoder.up_blocks.3.resnets.1.norm2.bias", 3.4e38f);
        fill(overflowing, "decoder.up_blocks.3.resnets.1.conv2.weight", 2e-38f);
        VaeTiling tiling = new VaeTiling(mode, 0);

        byte[] inFp32 = decode(overflowing, Precision.FP32, tiling, 64, 64);
        List<WeightStore> reopened = new ArrayList<>();
        byte[] inBf16 = decode(overflowing, Precision.BF16, tiling, 64, 64, () -> {}, reopened);

        assertThat(inBf16).isEqualTo(inFp32);
        assertThat(reopened).hasSize(1);
    }

    // FP32 takes twice the memory of BF16, for which the room was planned.
    @Test
    void pictureThatOverflows_isDecodedInFp32_inTilesIfThereIsNoRoomForAllOfIt() throws IOException {
        Checkpoint overflowing = written("overflowing-tight");
        fill(overflowing, "decoder.up_blocks.3.resnets.1.norm2.bias", 3.4e38f);
        fill(overflowing, "decoder.up_blocks.3.resnets.1.conv2.weight", 2e-38f);
        long planned = DecodeMemory.peakBytes(overflowing.vae(), 256, 256, Precision.BF16, 0);

        int roomy = looks(overflowing, Long.MAX_VALUE);
        int tight = looks(overflowing, planned);
        int tighter = looks(overflowing, planned - 1);
        assertThat(tight).as("FP32 in tiles").isGreaterThan(roomy);
        assertThat(tighter).as("both in tiles").isGreaterThan(tight);
    }

    /** Returns how often the decoding looks whether to stop, which is once more for each tile. */
    private static int looks(Checkpoint checkpoint, long room) {
        AtomicInteger looks = new AtomicInteger();
        decode(checkpoint, Precision.BF16, VaeTiling.auto(), 256, 256, looks::incrementAndGet, new ArrayList<>(), room);
        return looks.get();
    }

    @Test
    void soundPicture_doesNotLoadFp32Weights() {
        List<WeightStore> reopened = new ArrayList<>();
        decode(model, Precision.BF16, VaeTiling.auto(), 64, 64, () -> {}, reopened);
        assertThat(reopened).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"BF16", "FP32"})
    void pictureThatIsNotFiniteAtAll_isAnError(Precision precision) throws IOException {
        Checkpoint damaged = written("damaged-" + precision);
        fill(damaged, "decoder.conv_in.bias", Float.NaN);
        assertThatThrownBy(() -> decode(damaged, precision, VaeTiling.off(), 32, 32))
                .isInstanceOf(ZImageException.class)
                .hasMessageMatching(
                        "the VAE gave values that are not finite from latents up to [0-9.]+, in FP32: its weights are damaged.*");
    }

    // FP32 makes no picture of what is none.
    @ParameterizedTest
    @CsvSource({"BF16", "FP32"})
    void latentsThatAreNotFinite_areNotTriedInFp32(Precision precision) {
        List<WeightStore> reopened = new ArrayList<>();
        try (PointerScope scope = new PointerScope();
                WeightStore store = store(model)) {
            PictureDecoder decoder = decoder(model, store, precision, VaeTiling.off(), reopened, Long.MAX_VALUE);
            Tensor latents = latents(4, 4);
            latents.select(0, 1).fill_(new Scalar(Double.POSITIVE_INFINITY));
            assertThatThrownBy(() -> decoder.decode(latents, () -> {}))
                    .isInstanceOf(ZImageException.class)
                    .hasMessageStartingWith("latents must be finite to be decoded");
        }
        assertThat(reopened).isEmpty();
    }

    private static void fill(Checkpoint checkpoint, String name, float value) throws IOException {
        TensorEntry entry = checkpoint.weights(Component.VAE).get(name);
        ByteBuffer bytes = ByteBuffer.allocate((int) entry.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putFloat(value);
        }
        try (FileChannel file = FileChannel.open(entry.file(), StandardOpenOption.WRITE)) {
            file.write(bytes.flip(), entry.offset());
        }
    }

    private static byte[] decode(Checkpoint checkpoint, Precision precision, VaeTiling tiling, int height, int width) {
        return decode(checkpoint, precision, tiling, height, width, () -> {});
    }

    private static byte[] decode(
            Checkpoint checkpoint,
            Precision precision,
            VaeTiling tiling,
            int height,
            int width,
            Runnable cancellation) {
        return decode(checkpoint, precision, tiling, height, width, cancellation, new ArrayList<>());
    }

    private static byte[] decode(
            Checkpoint checkpoint,
            Precision precision,
            VaeTiling tiling,
            int height,
            int width,
            Runnable cancellation,
            List<WeightStore> reopened) {
        return decode(checkpoint, precision, tiling, height, width, cancellation, reopened, Long.MAX_VALUE);
    }

    private static byte[] decode(
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
            PictureDecoder decoder = decoder(checkpoint, store, precision, tiling, reopened, room);
            Tensor picture = decoder.decode(latents(height / 8, width / 8), cancellation);
            byte[] rgb = new byte[Math.toIntExact(picture.numel())];
            new BytePointer(picture.data_ptr()).get(rgb);
            return rgb;
        }
    }

    private static PictureDecoder decoder(
            Checkpoint checkpoint,
            WeightStore store,
            Precision precision,
            VaeTiling tiling,
            List<WeightStore> reopened,
            long room) {
        return new PictureDecoder(
                checkpoint.vae(),
                store,
                () -> {
                    reopened.add(store(checkpoint));
                    return reopened.get(reopened.size() - 1);
                },
                type -> new CpuKernels(AttentionSelector.select(new AttentionBackend("blockwise"), type), type),
                precision,
                new TileChoice(tiling, () -> room));
    }

    private static WeightStore store(Checkpoint checkpoint) {
        return new WeightStore(checkpoint.weights(Component.VAE), done -> {});
    }

    /** Latents whose statistics change from the top to the bottom, as those of a picture with a sky do. */
    private static Tensor latents(int height, int width) {
        Random random = new Random(3);
        float[] values = new float[CHANNELS * height * width];
        for (int i = 0; i < values.length; i++) {
            double down = (double) (i / width % height) / height;
            values[i] = (float) (random.nextGaussian() * (0.2 + down) + 2 * down);
        }
        return Tensors.of(values, CHANNELS, height, width);
    }
}
