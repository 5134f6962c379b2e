package io.github.zimage.internal.vae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.placement.DecodeMemory;
import io.github.zimage.internal.placement.EncodeMemory;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.VaeTiling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Holds the planned memory of decoding and encoding against what the process really takes at its peak. */
final class DecodeMemoryMeasuredTest {
    private static final Path CLEAR_REFS = Path.of("/proc/self/clear_refs");
    private static final int SIZE = 1024;

    @TempDir
    static Path folder;

    // The Java heap grows meanwhile, hence the room; what earlier tests freed glibc may give again, so there is no
    // lower bound.
    @ParameterizedTest
    @CsvSource({"BF16, OFF", "BF16, ON", "FP32, OFF", "FP32, ON"})
    void plannedPeak_isTheMeasuredOne(Precision precision, VaeTiling.Mode mode) throws IOException {
        assumeThat(CLEAR_REFS).isWritable();
        Path model = folder.resolve(precision + "-" + mode);
        SyntheticModel.write(model, SyntheticModel.Size.TINY, precision, 1, bytes -> {});
        Checkpoint checkpoint = Checkpoint.open(model, null);
        VaeTiling tiling = new VaeTiling(mode, 0);
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(checkpoint.weights(Component.VAE), done -> {})) {
            PictureDecoder decoder = new PictureDecoder(
                    checkpoint.vae(),
                    store,
                    () -> store,
                    type -> new CpuKernels(AttentionSelector.select(new AttentionBackend("blockwise"), type), type),
                    precision,
                    TileChoice.of(tiling));
            decode(decoder, 8); // so that code and constants are there

            Files.writeString(CLEAR_REFS, "5"); // the peak starts anew
            long before = peakKilobytes();
            decode(decoder, SIZE / 8);
            double measured = (peakKilobytes() - before) / 1024.0;

            int rows = mode == VaeTiling.Mode.OFF ? 0 : DecodeMemory.rowsAtOnce(tiling, SIZE);
            double planned = DecodeMemory.peakBytes(checkpoint.vae(), SIZE, SIZE, precision, rows) / 1048576.0;
            assertThat(measured).isLessThan(1.3 * planned + 40);
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16, OFF", "BF16, ON", "FP32, OFF", "FP32, ON"})
    void plannedPeakOfEncoding_isTheMeasuredOne(Precision precision, VaeTiling.Mode mode) throws IOException {
        assumeThat(CLEAR_REFS).isWritable();
        Path model = folder.resolve("encode-" + precision + "-" + mode);
        SyntheticModel.write(model, SyntheticModel.Size.TINY, precision, 1, bytes -> {});
        Checkpoint checkpoint = Checkpoint.open(model, null);
        VaeTiling tiling = new VaeTiling(mode, 0);
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(checkpoint.weights(Component.VAE_ENCODER), done -> {})) {
            PictureEncoder encoder = new PictureEncoder(
                    checkpoint.vae(),
                    store,
                    () -> store,
                    type -> new CpuKernels(AttentionSelector.select(new AttentionBackend("blockwise"), type), type),
                    precision,
                    TileChoice.of(tiling));
            byte[] picture = new byte[3 * SIZE * SIZE];
            encoder.encode(new byte[3 * 64 * 64], 64, 64, () -> {}); // so that code and constants are there

            Files.writeString(CLEAR_REFS, "5"); // the peak starts anew
            long before = peakKilobytes();
            encoder.encode(picture, SIZE, SIZE, () -> {});
            double measured = (peakKilobytes() - before) / 1024.0;

            int rows = mode == VaeTiling.Mode.OFF ? 0 : DecodeMemory.rowsAtOnce(tiling, SIZE);
            double planned = EncodeMemory.peakBytes(checkpoint.vae(), SIZE, SIZE, precision, rows) / 1048576.0;
            assertThat(measured).isLessThan(1.3 * planned + 40);
        }
    }

    private static void decode(PictureDecoder decoder, int side) {
        try (PointerScope scope = new PointerScope()) {
            Tensor latents = Tensors.of(new float[16 * side * side], 16, side, side);
            decoder.decode(latents, () -> {});
        }
    }

    private static long peakKilobytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmHWM:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow();
    }
}
