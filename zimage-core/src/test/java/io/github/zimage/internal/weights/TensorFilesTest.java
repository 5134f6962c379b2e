package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.ModelLoadException;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.io.UncachedFile;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.safetensors.Safetensors;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that weights which are read by our own threads are those that LibTorch would see. */
final class TensorFilesTest {
    @TempDir
    Path folder;

    // More than one piece, and not a whole number of pieces.
    @ParameterizedTest
    @CsvSource({"F32, F32", "F32, BF16", "F16, F32", "F16, BF16", "BF16, F32", "BF16, BF16"})
    void readNumbers_areThoseOfTheWeightStore(StorageType stored, StorageType wanted) throws IOException {
        NativeRuntime.load();
        int count = (9 << 20) / stored.bytes() + 3;
        try (PointerScope scope = new PointerScope()) {
            ScalarType storedType = switch (stored) {
                case F32 -> ScalarType.Float;
                case F16 -> ScalarType.Half;
                default -> ScalarType.BFloat16;
            };
            Tensor numbers = torch.randn(new long[] {count}, new TensorOptions(ScalarType.Float))
                    .to(storedType)
                    .contiguous();
            WeightIndex index = write(stored, numbers, count);
            ScalarType type = wanted == StorageType.F32 ? ScalarType.Float : ScalarType.BFloat16;
            byte[] read = new byte[count * wanted.bytes()];
            try (TensorFiles reader = new TensorFiles(index);
                    WeightStore store = new WeightStore(index, bytes -> {})) {
                reader.read(index.get("a"), wanted, (offset, length) -> part(read, offset, length), () -> false);
                byte[] expected = new byte[read.length];
                new BytePointer(store.get("a", type).data_ptr()).get(expected);
                assertThat(read).isEqualTo(expected);
            }
        }
    }

    // Blocks that are read past the page cache begin and end anywhere.
    @ParameterizedTest
    @CsvSource({"0, 1", "1, 4095", "4095, 2", "4096, 4096", "5, 4194304", "100, 9000000", "8999990, 20"})
    void uncached_areTheSameBytes(int offset, int length) throws IOException {
        Path file = folder.resolve("any");
        byte[] bytes = new byte[9_000_123];
        new Random(1).nextBytes(bytes);
        Files.write(file, bytes);
        try (UncachedFile uncached = UncachedFile.open(file)) {
            assumeTrue(uncached != null, "the file system reads past the cache");
            ByteBuffer read = ByteBuffer.allocate(length);
            uncached.readFully(offset, read);
            assertThat(read.array()).isEqualTo(Arrays.copyOfRange(bytes, offset, offset + length));
            assertThatThrownBy(() -> uncached.readFully(bytes.length - 5, ByteBuffer.allocate(6)))
                    .isInstanceOf(EOFException.class)
                    .hasMessage("the file ends at byte 9000123");
        }
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void uncached_comeFromTheDiskEachTime_andThroughTheCacheOnlyOnce() throws IOException {
        String type = Files.getFileStore(folder).type();
        assumeTrue(type.equals("ext4") || type.equals("xfs") || type.equals("btrfs"), "on a disk, but is " + type);
        int count = 3 << 20;
        WeightIndex index = write(StorageType.F32, null, count);
        try (TensorFiles reader = new TensorFiles(index)) {
            for (boolean cached : new boolean[] {true, true, false, false, true}) {
                long before = bytesFromDisk();
                reader.read(
                        index.get("a"),
                        StorageType.F32,
                        (offset, length) -> ByteBuffer.allocate(length),
                        () -> false,
                        cached);
                long read = bytesFromDisk() - before;
                if (cached) {
                    assertThat(read).as("just written, so in the cache").isLessThan(count);
                } else {
                    assertThat(read).isGreaterThanOrEqualTo(4L * count);
                }
            }
        }
    }

    private static long bytesFromDisk() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/io")).stream()
                .filter(line -> line.startsWith("read_bytes: "))
                .mapToLong(line -> Long.parseLong(line.substring("read_bytes: ".length())))
                .sum();
    }

    @Test
    void stop_endsReadingEarly() throws IOException {
        WeightIndex index = write(StorageType.F32, null, 6 << 20);
        AtomicInteger parts = new AtomicInteger();
        try (TensorFiles reader = new TensorFiles(index)) {
            reader.read(
                    index.get("a"),
                    StorageType.F32,
                    (offset, length) -> {
                        parts.incrementAndGet();
                        return ByteBuffer.allocate(length);
                    },
                    () -> parts.get() == 2);
        }
        assertThat(parts).hasValue(2);
    }

    @Test
    void shortenedFile_isNamed() throws IOException {
        WeightIndex index = write(StorageType.F32, null, 1000);
        try (TensorFiles reader = new TensorFiles(index)) {
            Path file = index.files().get(0);
            long size = Files.size(file);
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(size - 10);
            }
            assertThatThrownBy(() -> reader.read(
                            index.get("a"),
                            StorageType.F32,
                            (offset, length) -> ByteBuffer.allocate(length),
                            () -> false))
                    .isInstanceOf(ZImageException.class)
                    .hasMessage(
                            "weights/model.safetensors: cannot read tensor a: the file ends at byte %d. The files of a checkpoint"
                                    + " must stay as they are while a pipeline uses them",
                            size - 10);
        }
    }

    @Test
    void missingFile_isNamed() throws IOException {
        WeightIndex index = write(StorageType.F32, null, 4);
        Files.delete(index.files().get(0));
        assertThatThrownBy(() -> new TensorFiles(index))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith("weights/model.safetensors: the file is missing");
    }

    @Test
    void changedFile_isRefused() throws IOException {
        WeightIndex index = write(StorageType.F32, null, 4);
        FileState state = new FileState(index);
        state.requireUnchanged();
        Files.write(index.files().get(0), new byte[1], StandardOpenOption.APPEND);
        assertThatThrownBy(state::requireUnchanged)
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith("weights/model.safetensors: the file must stay as it was")
                .hasMessageEndingWith("build the pipeline anew");
    }

    /** Writes a file with one tensor, of zeros if no numbers are given. */
    private WeightIndex write(StorageType type, Tensor numbers, int count) throws IOException {
        int bytes = count * type.bytes();
        byte[] file = Safetensors.bytes(
                "{\"a\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%d]}}".formatted(type, count, bytes),
                bytes);
        if (numbers != null) {
            new BytePointer(numbers.data_ptr()).get(file, file.length - bytes, bytes);
        }
        Path weights = Files.createDirectories(folder.resolve("weights"));
        Files.write(weights.resolve("model.safetensors"), file);
        return WeightFiles.open(weights, "model", null);
    }

    private static ByteBuffer part(byte[] memory, long offset, int length) {
        return ByteBuffer.wrap(memory, (int) offset, length).slice().order(ByteOrder.LITTLE_ENDIAN);
    }
}
