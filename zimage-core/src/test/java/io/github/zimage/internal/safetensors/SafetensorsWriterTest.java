package io.github.zimage.internal.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that what is written can be read, and that nothing half-written is ever seen. */
class SafetensorsWriterTest {
    @TempDir
    Path folder;

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void randomTensors_areReadAsTheyWereWritten() throws IOException {
        Random random = new Random(7);
        for (int round = 0; round < 50; round++) {
            List<Tensor> tensors = new ArrayList<>();
            int count = random.nextInt(8);
            for (int i = 0; i < count; i++) {
                Long[] shape = random.longs(random.nextInt(5), 0, 6).boxed().toArray(Long[]::new);
                StorageType type = StorageType.values()[random.nextInt(StorageType.values().length)];
                if (Stream.of(shape).reduce((long) type.bits(), (a, b) -> a * b) % 8 != 0) {
                    type = StorageType.U8;
                }
                tensors.add(new Tensor("層." + i + "\"\\\n" + random.nextInt(), type, List.of(shape)));
            }
            Map<String, String> metadata = round % 2 == 0 ? Map.of() : Map.of("emoji 🦊", "a\"b\n" + round);
            Path file = folder.resolve("x.safetensors");
            byte[] data;
            try (SafetensorsWriter writer = new SafetensorsWriter(file, tensors, metadata)) {
                data = new byte[(int) writer.dataBytes()];
                random.nextBytes(data);
                for (int start = 0; start < data.length; ) {
                    int length = Math.min(data.length - start, 1 + random.nextInt(100));
                    writer.write(ByteBuffer.wrap(data, start, length));
                    start += length;
                }
                writer.commit();
            }

            SafetensorsHeader header = SafetensorsHeader.read(file);
            assertThat(header.metadata()).isEqualTo(metadata);
            assertThat(header.tensors().values().stream()
                            .map(entry -> new Tensor(entry.name(), entry.type(), entry.shape())))
                    .isEqualTo(tensors);
            byte[] bytes = Files.readAllBytes(file);
            assertThat(Arrays.copyOfRange(bytes, bytes.length - data.length, bytes.length))
                    .isEqualTo(data);
            assertThat((bytes.length - data.length) % 8)
                    .as("alignment of the data")
                    .isZero();
            assertThat(files()).containsExactly("x.safetensors");
        }
    }

    @Test
    void unfinishedFile_leavesWhatWasThereAndNothingElse() throws IOException {
        Path file = Files.writeString(folder.resolve("x.safetensors"), "old");
        List<Tensor> tensors = List.of(new Tensor("a", StorageType.F32, List.of(2L)));
        try (SafetensorsWriter writer = new SafetensorsWriter(file, tensors, Map.of())) {
            writer.write(ByteBuffer.allocate(4));
            assertThat(files()).hasSize(2);
            assertThatThrownBy(writer::commit).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> writer.write(ByteBuffer.allocate(5)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("tensors have 8 bytes, but 9 were written");
        }
        assertThat(files()).containsExactly("x.safetensors");
        assertThat(file).hasContent("old");
    }

    @Test
    void badLists_areRefusedBeforeAnyFileIsMade() throws IOException {
        Path file = folder.resolve("x.safetensors");
        Tensor tensor = new Tensor("a", StorageType.F32, List.of(2L));
        for (List<Tensor> tensors : List.of(
                List.of(tensor, tensor),
                List.of(new Tensor("__metadata__", StorageType.F32, List.of())),
                List.of(new Tensor("a", StorageType.F32, List.of(-1L))))) {
            assertThatThrownBy(() -> new SafetensorsWriter(file, tensors, Map.of()))
                    .isInstanceOf(IllegalArgumentException.class);
        }
        assertThat(files()).isEmpty();
    }

    @Test
    void folderThatIsMissing_isAnIoException() {
        assertThatThrownBy(() -> new SafetensorsWriter(folder.resolve("none/x"), List.of(), Map.of()))
                .isInstanceOf(IOException.class);
    }
}
