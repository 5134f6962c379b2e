package io.github.zimage.internal.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that sound GGUF files are read, and damaged and hostile ones are refused with one sentence. */
class GgufFileTest {
    private static final int INPUTS = "long".equals(System.getProperty("zimage.fuzz")) ? 200_000 : 5_000;

    @TempDir
    Path folder;

    private static GgufBytes sound() {
        return new GgufBytes()
                .text("general.architecture", "lumina2")
                .uint32("general.alignment", 32)
                .texts("tokenizer.ggml.tokens", List.of("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"))
                .tensor("plain", List.of(2L, 3L), 0, new byte[24])
                .tensor("blocks", List.of(2L, 64L), 8, new byte[2 * 2 * 34])
                .tensor("half", List.of(5L), 1, new byte[10]);
    }

    private void assertRefused(byte[] bytes, String message) throws IOException {
        Path file = Files.write(folder.resolve("x.gguf"), bytes);
        assertThatThrownBy(() -> GgufFile.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("x.gguf: ")
                .hasMessageContaining(message)
                .message()
                .hasLineCount(1);
    }

    @Test
    void tensors_lieWhereTheHeaderSays() {
        GgufFile read = GgufFile.read(sound().write(folder.resolve("x.gguf")));

        int data = sound().header().length;
        assertThat(read.tensors().keySet()).containsExactly("plain", "blocks", "half");
        TensorEntry plain = read.tensors().get("plain");
        assertThat(plain.offset()).isEqualTo(data);
        assertThat(plain.shape()).containsExactly(2L, 3L);
        assertThat(plain.file()).isEqualTo(folder.resolve("x.gguf"));
        TensorEntry blocks = read.tensors().get("blocks");
        assertThat(blocks.file()).isNull();
        assertThat(blocks.storedBytes()).isEqualTo(136);
        assertThat(blocks.encoding()).isEqualTo("Q8_0");
        assertThat(read.tensors().get("half").offset()).isEqualTo(data + 32 + 160);
    }

    @Test
    void dividedFiles_areReadWhicheverIsNamed() {
        Consumer<Integer> write = number -> new GgufBytes()
                .uint16("split.no", number)
                .uint16("split.count", 2)
                .tensor("t" + number, List.of(1L), 0, new byte[4])
                .write(folder.resolve("m-0000%d-of-00002.gguf".formatted(number + 1)));
        write.accept(1);
        Path second = folder.resolve("m-00002-of-00002.gguf");

        assertThatThrownBy(() -> GgufFile.read(second))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("m-00001-of-00002.gguf: the file is missing");
        write.accept(0);
        assertThat(GgufFile.read(second).tensors().keySet()).containsExactly("t0", "t1");
        Path renamed = new GgufBytes().uint16("split.count", 2).write(folder.resolve("renamed.gguf"));
        assertThatThrownBy(() -> GgufFile.read(renamed))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("is one of 2 files, which must be named");
    }

    @Test
    void otherVersionsAndOrders_areNamed() throws IOException {
        byte[] bytes = sound().bytes();
        assertRefused(new byte[] {'G', 'G'}, "does not begin with GGUF");
        bytes[4] = 1;
        assertRefused(bytes, "must be of GGUF version 2 or 3, but is of 1");
        bytes[4] = 0;
        bytes[7] = 3;
        assertRefused(bytes, "is a big-endian GGUF file");
    }

    @Test
    void damagedHeaders_areRefused() throws IOException {
        byte[] whole = sound().bytes();
        assertRefused(Arrays.copyOf(whole, 40), "the header must lie within the file");
        assertRefused(Arrays.copyOf(whole, whole.length - 60), "is cut off or damaged");
        assertRefused(with(8, -1L), "the number of tensors must be 0 to 50000, but is 18446744073709551615");
        assertRefused(with(24, Long.MAX_VALUE), "the length of a key must be 0 to 65535");
        assertRefused(sound().tensor("plain", List.of(1L), 0, new byte[4]).bytes(), "tensor \"plain\" is there twice");
        assertRefused(sound().text("general.architecture", "x").bytes(), "\"general.architecture\" is there twice");
        assertRefused(
                new GgufBytes().uint32("general.alignment", 33).bytes(),
                "general.alignment must be a power of 2 from 8 to 1048576, but is 33");
        assertRefused(
                new GgufBytes().tensor("t", List.of(1L, 256L), 16, new byte[66]).bytes(),
                "tensor \"t\" is stored as IQ2_XXS, which is not read; Q4_0, Q4_1");
        assertRefused(
                new GgufBytes()
                        .tensor("t", List.of(2L, 100L), 12, new byte[144])
                        .bytes(),
                "must have rows of a multiple of 256 to be stored as Q4_K, but is of [2, 100]");
        assertRefused(
                new GgufBytes()
                        .tensor("t", List.of(1L << 30, 1L << 30, 1L << 30, 8L), 0, new byte[4])
                        .bytes(),
                "must have less than 2^63 bytes");
    }

    @Test
    void overlappingTensors_areRefused() throws IOException {
        byte[] bytes = sound().bytes();
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        // The offset of the last tensor ends the header, before what fills it up.
        int at = sound().header().length;
        while (buffer.getLong(at - 8) != 192) {
            at--;
        }
        buffer.putLong(at - 8, 32);
        assertRefused(bytes, "must begin where the tensor before it ends, at 42, but begins at 32, which overlaps it");
        buffer.putLong(at - 8, 33);
        assertRefused(bytes, "must begin at a multiple of 32, but begins at 33");
    }

    private static byte[] with(int at, long value) {
        byte[] bytes = sound().bytes();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(at, value);
        return bytes;
    }

    // Whatever the bytes: a sound result within the file, or a refusal of one line.
    @Test
    void mutatedHeaders_areReadOrRefused() throws IOException {
        byte[] whole = sound().bytes();
        int header = sound().header().length;
        Random random = new Random(3);
        int refused = 0;
        for (int i = 0; i < INPUTS; i++) {
            byte[] bytes = whole.clone();
            for (int n = random.nextInt(3); n >= 0; n--) {
                int at = random.nextInt(header);
                switch (random.nextInt(3)) {
                    case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                    case 1 -> bytes[at] = (byte) random.nextInt();
                    default -> bytes[at] = (byte) -random.nextInt(2);
                }
            }
            if (random.nextInt(10) == 0) {
                bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
            }
            refused += isRefused(Files.write(folder.resolve("f.gguf"), bytes), i) ? 1 : 0;
        }
        assertThat(refused).as("inputs that were refused").isBetween(INPUTS / 3, INPUTS - INPUTS / 100);
    }

    private static boolean isRefused(Path file, int input) throws IOException {
        long size = Files.size(file);
        try {
            GgufFile.read(file).tensors().values().forEach(tensor -> {
                assertThat(tensor.offset()).isNotNegative();
                assertThat(tensor.offset() + (tensor.file() == null ? 0 : tensor.byteSize()))
                        .isLessThanOrEqualTo(size);
            });
            return false;
        } catch (ModelLoadException e) {
            assertThat(e.getMessage()).as("input %d", input).hasLineCount(1).hasSizeLessThan(2000);
            assertThat(String.valueOf(e.getMessage()).chars().anyMatch(Character::isISOControl))
                    .as("control characters in the message of input %d", input)
                    .isFalse();
            return true;
        } catch (RuntimeException | Error e) {
            throw new AssertionError("input " + input, e);
        }
    }
}
