package io.github.zimage.internal.upscale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.RrdbNetConfig;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.UpscaleMemory;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Holds the planned memory of enlarging against what the process really takes at its peak, at Real-ESRGAN's widths. */
final class UpscaleMemoryMeasuredTest {
    private static final Path CLEAR_REFS = Path.of("/proc/self/clear_refs");

    @TempDir
    static Path folder;

    // The Java heap grows meanwhile, and glibc keeps gaps between blocks below 32 MiB; what earlier tests freed it may
    // give
    // again, so there is no lower bound. With MALLOC_MMAP_THRESHOLD_=262144, which leaves no gaps, it is 1.06 times the
    // plan.
    @ParameterizedTest
    @CsvSource({"FP32, 256, 2, 1", "BF16, 256, 2, 1", "FP32, 128, 2, 2", "FP32, 200, 0, 1"})
    void plannedPeak_isTheMeasuredOne(Precision precision, int tile, int doublings, int unshuffle) throws IOException {
        assumeThat(CLEAR_REFS).isWritable();
        NativeRuntime.load();
        RrdbNetConfig config = new RrdbNetConfig(unshuffle, 64, 32, 1, doublings);
        int side = (tile + 2 * UpscaleMemory.OVERLAP) * unshuffle;
        Pixels picture = new Pixels(side, side, 3, new byte[3 * side * side]);
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(zeros(config), done -> {})) {
            PictureUpscaler upscaler =
                    Upscalers.upscaler(new UpscalerFile("zeros", "", config, store.index()), store, precision);
            upscaler.upscale(new Pixels(16, 16, 3, new byte[3 * 256]), 64, () -> {}); // so that code is there
            Files.writeString(CLEAR_REFS, "5"); // the peak starts anew
            long before = peakKilobytes();
            upscaler.upscale(picture, side, () -> {});
            double measured = (peakKilobytes() - before) / 1024.0;
            double heap = 3.0 * side * side * config.scale() * config.scale() / 1048576;
            double planned = UpscaleMemory.peakBytes(config, side, side, precision, side) / 1048576.0;
            assertThat(measured).isLessThan(1.3 * planned + heap + 64);
        }
    }

    private static WeightIndex zeros(RrdbNetConfig config) throws IOException {
        Path file = folder.resolve("zeros");
        Map<String, TensorEntry> tensors = new LinkedHashMap<>();
        long offset = 0;
        for (Map.Entry<String, List<Long>> each : config.tensors().entrySet()) {
            long bytes = StorageType.F32.bytes(each.getValue());
            tensors.put(
                    each.getKey(),
                    new TensorEntry(each.getKey(), StorageType.F32, each.getValue(), file, offset, bytes));
            offset += bytes;
        }
        try (RandomAccessFile all = new RandomAccessFile(file.toFile(), "rw")) {
            all.setLength(offset);
        }
        return WeightIndex.of("zeros", tensors);
    }

    private static long peakKilobytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmHWM:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow();
    }
}
