package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that latents survive a file bit by bit. */
class LatentsTest {
    @TempDir
    Path folder;

    private static Latents random(int channels, int height, int width, long seed) {
        float[] values = new float[channels * height * width];
        Random random = new Random(seed);
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.intBitsToFloat(random.nextInt());
        }
        return Latents.of(channels, height, width, values);
    }

    @Test
    void savedLatents_areLoadedBitByBit() {
        Path file = folder.resolve("x.safetensors");
        List<Latents> saved = List.of(random(16, 40, 30, 1), random(16, 40, 30, 2), random(16, 40, 30, 3));
        Latents.save(file, saved);

        List<Latents> loaded = Latents.load(file);

        assertThat(loaded).hasSize(3);
        for (int n = 0; n < 3; n++) {
            Latents latents = loaded.get(n);
            assertThat(List.of(latents.channels(), latents.height(), latents.width()))
                    .containsExactly(16, 40, 30);
            float[] expected = saved.get(n).values();
            float[] actual = latents.values();
            for (int i = 0; i < expected.length; i++) {
                assertThat(Float.floatToRawIntBits(actual[i])).isEqualTo(Float.floatToRawIntBits(expected[i]));
            }
        }
        TensorEntry tensor =
                SafetensorsHeader.read(file).tensors().values().iterator().next();
        assertThat(tensor.name()).isEqualTo("latents");
        assertThat(tensor.type()).isEqualTo(StorageType.F32);
        assertThat(tensor.shape()).containsExactly(3L, 16L, 40L, 30L);
        assertThat(SafetensorsHeader.read(file).tensors()).hasSize(1);
    }

    @Test
    void badRequests_areRefused() {
        assertThatThrownBy(() -> Latents.save(folder.resolve("x"), List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("latents must not be empty");
        assertThatThrownBy(() -> Latents.save(folder.resolve("x"), List.of(random(1, 2, 3, 1), random(1, 3, 2, 1))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("latents must all have the same shape, but there were [1, 2, 3] and [1, 3, 2]");
        assertThatThrownBy(() -> Latents.save(folder.resolve("none/x"), List.of(random(1, 2, 3, 1))))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageStartingWith("latents cannot be written to " + folder.resolve("none/x"));
        assertThat(folder).isEmptyDirectory();
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> Latents.load(folder.resolve("x.safetensors")))
                .isInstanceOf(ZImageException.class)
                .hasMessageContaining(message);
    }

    private void write(String name, StorageType type, List<Long> shape) throws IOException {
        try (SafetensorsWriter writer = new SafetensorsWriter(
                folder.resolve("x.safetensors"), List.of(new SafetensorsWriter.Tensor(name, type, shape)), Map.of())) {
            writer.write(ByteBuffer.allocate((int) writer.dataBytes()));
            writer.commit();
        }
    }

    @Test
    void otherFiles_areRefused() throws IOException {
        assertRefused("the file is missing");
        Files.writeString(folder.resolve("x.safetensors"), "hello");
        assertRefused("at least 8 bytes");
        write("other", StorageType.F32, List.of(1L, 1L, 1L, 1L));
        assertRefused("must hold one F32 tensor latents of 4 dimensions, but does not");
        write("latents", StorageType.BF16, List.of(1L, 1L, 1L, 1L));
        assertRefused("must hold one F32 tensor latents of 4 dimensions, but does not");
        write("latents", StorageType.F32, List.of(1L, 1L, 1L));
        assertRefused("must hold one F32 tensor latents of 4 dimensions, but does not");
        write("latents", StorageType.F32, List.of(0L, 1L, 1L << 40, 1L));
        assertRefused("must have 1 to 268435456 numbers, but have shape [0, 1, 1099511627776, 1]");
    }
}
