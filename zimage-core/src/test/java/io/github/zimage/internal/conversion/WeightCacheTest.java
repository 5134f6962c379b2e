package io.github.zimage.internal.conversion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.Safetensors;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.TensorFiles;
import io.github.zimage.internal.weights.WeightFiles;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Protects that kept weights are those of the checkpoint, whatever happens to it, to them, or to whoever writes them. */
@Timeout(60)
class WeightCacheTest {
    private static final Component TRANSFORMER = Component.TRANSFORMER;

    @TempDir
    Path folder;

    private Path model;
    private Path root;
    private WeightCache cache;

    @BeforeEach
    void writeCheckpoint() {
        model = folder.resolve("tiny");
        root = folder.resolve("cache");
        cache = new WeightCache(root);
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.FP32, 3, done -> {});
    }

    private WeightIndex own() {
        return Checkpoint.open(model, null).weights(TRANSFORMER);
    }

    private WeightIndex convert() throws IOException {
        return convert(false, new AtomicInteger());
    }

    private WeightIndex convert(boolean thorough, AtomicInteger calls) throws IOException {
        return cache.convert(TRANSFORMER, own(), Precision.BF16, thorough, done -> calls.incrementAndGet());
    }

    private Path file() throws IOException {
        return convert().files().get(0);
    }

    private List<Path> all() throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> !file.endsWith("lock"))
                    .toList();
        }
    }

    private static void overwrite(Path file, long position, byte[] bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(bytes), position);
        }
    }

    private static byte[] read(TensorEntry tensor) throws IOException {
        try (TensorFiles files = new TensorFiles()) {
            ByteBuffer bytes = ByteBuffer.allocate((int) tensor.byteSize());
            files.read(tensor, 0, bytes);
            return bytes.array();
        }
    }

    @Test
    void converted_areTheWeightsThatLoadingWouldConvert() throws IOException {
        WeightIndex own = own();
        WeightIndex converted = convert();

        assertThat(new ArrayList<>(converted.tensors().keySet()))
                .isEqualTo(new ArrayList<>(own.tensors().keySet()));
        assertThat(converted.files()).hasSize(1);
        try (PointerScope scope = new PointerScope();
                WeightStore ownStore = new WeightStore(own, done -> {});
                WeightStore convertedStore = new WeightStore(converted, done -> {})) {
            for (TensorEntry tensor : converted.tensors().values()) {
                ScalarType type = tensor.type() == StorageType.BF16 ? ScalarType.BFloat16 : ScalarType.Float;
                assertThat(torch.equal(ownStore.get(tensor.name(), type), convertedStore.get(tensor.name(), type)))
                        .as(tensor.name())
                        .isTrue();
            }
            assertThat(convertedStore.convertedBytes()).isZero();
        }
    }

    @Test
    void secondConversion_takesWhatIsThere() throws IOException {
        assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true)).isNull();
        Path file = file();
        FileTime written = Files.getLastModifiedTime(file);

        assertThat(file()).isEqualTo(file);
        assertThat(Files.getLastModifiedTime(file)).isEqualTo(written);
        assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true)).isNotNull();
        assertThat(cache.find(TRANSFORMER, own(), Precision.FP32, true)).isNull();
        assertThat(all()).containsExactly(file);
    }

    // Somebody who moves a checkpoint to another disk must not pay for it.
    @Test
    void movedCheckpoint_keepsItsWeights() throws IOException {
        Path file = file();
        model = Files.move(model, folder.resolve("moved"));
        assertThat(file()).isEqualTo(file);
    }

    // A fine-tuned checkpoint has the same names, shapes and sizes; copied with its time, only its content tells.
    @Test
    void otherContent_isNoticed_withTheSameSizeAndTime() throws IOException {
        Path source = own().files().get(0);
        FileTime time = Files.getLastModifiedTime(source);
        Path before = file();
        Path other = folder.resolve("other");
        SyntheticModel.write(other, SyntheticModel.Size.TINY, Precision.FP32, 4, done -> {});
        Files.copy(other.resolve(model.relativize(source)), source, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        Files.setLastModifiedTime(source, time);

        assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true)).isNull();
        Path after = file();

        assertThat(after).isNotEqualTo(before);
        assertThat(all()).as("what was made from the old content is gone").containsExactly(after);
    }

    // One changed number in a large tensor is in no sample, but editing a file changes its time.
    @Test
    void oneChangedNumber_isNoticed_byTheTime() throws IOException {
        Path before = file();
        TensorEntry tensor = own().get("layers.0.feed_forward.w1.weight");
        overwrite(tensor.file(), tensor.offset(), new byte[] {1, 2, 3, 4});
        Files.setLastModifiedTime(tensor.file(), FileTime.fromMillis(1_000_000_000_000L));

        Path after = file();

        assertThat(after).isNotEqualTo(before);
        assertThat(read(convert().get(tensor.name()))).startsWith(3, 4);
    }

    @Test
    void truncatedFile_isMadeAnew() throws IOException {
        Path file = file();
        byte[] sound = Files.readAllBytes(file);
        for (long size : new long[] {0, 7, 100, sound.length / 2, sound.length - 1}) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(size);
            }
            assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true))
                    .as("%d bytes", size)
                    .isNull();
            assertThat(file()).hasBinaryContent(sound);
        }
        Files.write(file, new byte[100], StandardOpenOption.APPEND);
        assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true)).isNull();
        assertThat(file()).hasBinaryContent(sound);
    }

    // A bit of the header could turn a shape, a place or a type into another one that is sound in itself.
    @Test
    void flippedBitInTheHeader_isMadeAnew() throws IOException {
        Path file = file();
        byte[] sound = Files.readAllBytes(file);
        int header = (int) ByteBuffer.wrap(sound)
                        .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                        .getLong()
                + 8;
        Random random = new Random(1);
        for (int i = 0; i < 300; i++) {
            int position = i < 8 ? i : random.nextInt(header);
            byte flipped = (byte) (sound[position] ^ 1 << random.nextInt(7));
            overwrite(file, position, new byte[] {flipped});
            WeightIndex found = cache.find(TRANSFORMER, own(), Precision.BF16, true);
            if (found != null) {
                // Only what does not matter may differ: the free-form note on the source, and spaces at the end.
                assertThat(ConvertedFile.open(
                                file,
                                EngineLayout.tensors(TRANSFORMER, own(), Precision.BF16),
                                SafetensorsHeader.read(file).metadata().get("zimage.key"),
                                true,
                                done -> {}))
                        .isNotEmpty();
            }
            overwrite(file, position, new byte[] {sound[position]});
        }
        overwrite(file, 200, new byte[] {0});
        assertThat(file()).hasBinaryContent(sound);
    }

    @Test
    void damagedNorm_isNoticedAtOnce_damagedMatrixByAFullCheck() throws IOException {
        WeightIndex index = convert();
        Path file = index.files().get(0);
        byte[] sound = Files.readAllBytes(file);
        TensorEntry norm = index.get("layers.1.attention_norm1.weight");
        TensorEntry matrix = index.get("layers.1.feed_forward.w2.weight");

        overwrite(file, norm.offset() + 5, new byte[] {99});
        assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true)).isNull();
        assertThat(file()).hasBinaryContent(sound);

        overwrite(file, matrix.offset() + 5, new byte[] {(byte) (sound[(int) matrix.offset() + 5] ^ 1)});
        assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true)).isNotNull();
        convert(true, new AtomicInteger());
        assertThat(file).hasBinaryContent(sound);
    }

    @Test
    void sourceThatChangesMeanwhile_isNotKept() {
        Path source = own().files().get(0);
        assertThatThrownBy(() -> cache.convert(TRANSFORMER, own(), Precision.BF16, false, done -> {
                    source.toFile().setLastModified(1_000_000_000_000L);
                }))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("has changed while it was converted");
        assertThat(root).isDirectoryRecursivelyContaining("glob:**/lock").isDirectoryNotContaining("glob:**/*.tmp");
    }

    @Test
    void progress_goesToTheSizeOfTheSource() throws IOException {
        WeightIndex own = own();
        for (int i = 0; i < 2; i++) { // first the conversion, then the check
            java.util.concurrent.atomic.AtomicLong last = new java.util.concurrent.atomic.AtomicLong();
            cache.convert(TRANSFORMER, own, Precision.BF16, true, done -> {
                assertThat(done).isBetween(last.get(), own.byteSize());
                last.set(done);
            });
            assertThat(last.get()).isCloseTo(own.byteSize(), org.assertj.core.data.Percentage.withPercentage(0.1));
        }
    }

    @Test
    void writerThatFails_leavesNothingBehind() throws IOException {
        for (int failing : new int[] {1, 20, 50}) {
            AtomicInteger calls = new AtomicInteger();
            assertThatThrownBy(() -> cache.convert(TRANSFORMER, own(), Precision.BF16, false, done -> {
                        if (calls.incrementAndGet() == failing) {
                            throw new IllegalStateException("stop");
                        }
                    }))
                    .hasMessage("stop");
            assertThat(all()).isEmpty();
        }
        assertThat(file()).exists();
    }

    @Test
    void missingTensorData_isAnIoException_notAHalfFile() throws IOException {
        WeightIndex own = own();
        try (FileChannel channel = FileChannel.open(own.files().get(0), StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() - 1000);
        }
        assertThatThrownBy(() -> cache.convert(TRANSFORMER, own, Precision.BF16, false, done -> {}))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("the file ends");
    }

    @Test
    void placeWhereNoFolderCanBeMade_isAnIoException() throws IOException {
        Files.writeString(root, "a file");
        assertThatThrownBy(this::convert)
                .isInstanceOf(IOException.class)
                .hasMessage(root + " is there, but is no folder");
        assertThat(cache.find(TRANSFORMER, own(), Precision.BF16, true)).isNull();
    }

    @Test
    void interruptedThread_stops() throws IOException {
        assertThatThrownBy(() -> cache.convert(
                        TRANSFORMER,
                        own(),
                        Precision.BF16,
                        false,
                        done -> Thread.currentThread().interrupt()))
                .isInstanceOfAny(InterruptedIOException.class, ClosedByInterruptException.class);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(all()).isEmpty();
    }

    @Test
    void temporariesOfTheDead_areRemoved_thoseOfTheLivingAreNot() throws IOException {
        Path dead = Files.createDirectories(root.resolve("transformer-fp32-dead"));
        Files.createFile(dead.resolve("lock"));
        Path left = Files.write(dead.resolve(".zimage-1.tmp"), new byte[5]);
        Path alive = Files.createDirectories(root.resolve("text_encoder-bf16-alive"));
        Path growing = Files.write(alive.resolve(".zimage-2.tmp"), new byte[5]);
        try (FileChannel channel =
                FileChannel.open(alive.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.lock();

            convert();

            assertThat(left).doesNotExist();
            assertThat(growing).exists();
        }
    }

    @Test
    void severalAtOnce_convertOnce() throws Exception {
        AtomicInteger writers = new AtomicInteger();
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            List<Callable<WeightIndex>> tasks = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                tasks.add(() -> {
                    AtomicInteger calls = new AtomicInteger();
                    WeightIndex index = convert(false, calls);
                    writers.addAndGet(calls.get() > 0 ? 1 : 0);
                    return index;
                });
            }
            for (Future<WeightIndex> made : threads.invokeAll(tasks)) {
                assertThat(made.get().tensors()).hasSize(own().tensors().size());
            }
        } finally {
            threads.shutdownNow();
        }
        assertThat(writers).hasValue(1);
        assertThat(all()).hasSize(1);
    }

    // Types of one file may be mixed, and its tensors lie at odd places.
    @Test
    void f16AndUnalignedTensors_areConverted() throws IOException {
        Path odd = Files.createDirectories(folder.resolve("odd"));
        String header = "{\"a.weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                + "\"embed_tokens.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} ";
        byte[] bytes = Safetensors.bytes(header, 8);
        int data = bytes.length - 8;
        bytes[data + 1] = 0x3c; // 1
        bytes[data + 3] = (byte) 0xc0; // -2
        bytes[data + 6] = (byte) 0x80; // 1
        bytes[data + 7] = 0x3f;
        Files.write(odd.resolve("model.safetensors"), bytes);

        WeightIndex index = cache.convert(
                Component.TEXT_ENCODER, WeightFiles.open(odd, "model", null), Precision.BF16, false, done -> {});

        assertThat(read(index.get("embed_tokens.weight"))).containsExactly(0x80, 0x3f);
        try (WeightStore store = new WeightStore(index, done -> {});
                PointerScope scope = new PointerScope()) {
            assertThat(Tensors.toFloats(store.get("a.weight", ScalarType.Float)))
                    .containsExactly(1, -2);
        }
    }
}
