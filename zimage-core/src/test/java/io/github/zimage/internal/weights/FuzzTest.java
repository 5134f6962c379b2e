package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.safetensors.Safetensors;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Protects against damaged and hostile files: whatever the bytes, a reader answers soon, with a sound result or with a
 * {@link ModelLoadException} of one line. {@code -Dzimage.fuzz=long} runs 200,000 inputs rather than 5,000.
 */
class FuzzTest {
    private static final int INPUTS = "long".equals(System.getProperty("zimage.fuzz")) ? 200_000 : 5_000;
    private static final long MAX_MILLIS = 5_000;

    private static final List<String> TOKENS = List.of(
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "null",
            "true",
            "-1",
            "0",
            "1e999",
            "1.5",
            "9223372036854775807",
            "9223372036854775808",
            "99999999999999999999999999999999999999999999",
            "\"F32\"",
            "\"F64\"",
            "\"U8\"",
            "\"dtype\"",
            "\"shape\"",
            "\"data_offsets\"",
            "\"__metadata__\"",
            "\"weight_map\"",
            "\\u0000",
            "\\ud800",
            "../",
            "[[[[[[[[[[[[[[[[[[[[",
            "\u0000",
            "\ud83e\udd8a",
            "NaN",
            "65536",
            "1000",
            "4294967296");

    @TempDir
    Path parent;

    private final Random random = new Random(20_240);

    private interface Reader {
        void read() throws IOException;
    }

    /** A file that is mutated, and how it is read. */
    private record Target(Path file, byte[] original, int mutable, Reader reader) {}

    @Test
    void mutatedFiles_areReadOrRefused() throws IOException {
        Path folder = parent.resolve("model");
        SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
        Path transformer = folder.resolve("transformer");
        Path plain = transformer.resolve("diffusion_pytorch_model.safetensors");
        Path index = transformer.resolve("diffusion_pytorch_model.safetensors.index.json");
        Files.copy(plain, transformer.resolve("shard.safetensors"));
        StringBuilder weightMap = new StringBuilder();
        SafetensorsHeader.read(plain)
                .tensors()
                .keySet()
                .forEach(name -> weightMap
                        .append(weightMap.length() == 0 ? "" : ",")
                        .append("\"%s\":\"shard.safetensors\"".formatted(name)));
        Files.writeString(index, "{\"metadata\":{},\"weight_map\":{" + weightMap + "}}");
        Files.delete(plain);
        Path small = Safetensors.write(parent.resolve("small.safetensors"), """
                {"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},\
                "b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}""", 16);

        Reader checkpoint = () -> {
            Checkpoint opened = Checkpoint.open(folder, null);
            for (Component component : Component.values()) {
                for (TensorEntry tensor : opened.weights(component).tensors().values()) {
                    assertInside(tensor);
                }
            }
        };
        Reader header = () -> SafetensorsHeader.read(small).tensors().values().forEach(FuzzTest::assertInside);
        List<Target> targets = List.of(
                target(small, header),
                target(small, header),
                target(folder.resolve("model_index.json"), checkpoint),
                target(folder.resolve("transformer/config.json"), checkpoint),
                target(folder.resolve("text_encoder/config.json"), checkpoint),
                target(folder.resolve("vae/config.json"), checkpoint),
                target(folder.resolve("scheduler/scheduler_config.json"), checkpoint),
                target(folder.resolve("vae/diffusion_pytorch_model.safetensors"), checkpoint),
                target(index, checkpoint));
        targets.get(0).reader.read();
        checkpoint.read();

        int refused = 0;
        for (int i = 0; i < INPUTS; i++) {
            Target target = targets.get(i % targets.size());
            byte[] mutated = mutate(target);
            Files.write(target.file, mutated);
            refused += isRefused(target, i) ? 1 : 0;
            Files.write(target.file, target.original);
        }
        checkpoint.read();
        assertThat(refused).as("inputs that were refused").isBetween(INPUTS / 2, INPUTS - INPUTS / 100);
    }

    private static Target target(Path file, Reader reader) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        boolean json = file.toString().endsWith(".json");
        int mutable = json
                ? bytes.length
                : 8
                        + (int) ByteBuffer.wrap(bytes)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .getLong(0);
        return new Target(file, bytes, mutable, reader);
    }

    private static boolean isRefused(Target target, int input) {
        long start = System.nanoTime();
        boolean refused = false;
        try {
            target.reader.read();
        } catch (ModelLoadException e) {
            refused = true;
            assertThat(e.getMessage()).as("input %d", input).hasLineCount(1).hasSizeLessThan(2000);
            assertThat(String.valueOf(e.getMessage()).chars().anyMatch(Character::isISOControl))
                    .as("control characters in the message of input %d", input)
                    .isFalse();
        } catch (Throwable e) {
            throw new AssertionError("input " + input + " of " + target.file, e);
        }
        assertThat((System.nanoTime() - start) / 1_000_000)
                .as("milliseconds of input %d", input)
                .isLessThan(MAX_MILLIS);
        return refused;
    }

    private static void assertInside(TensorEntry tensor) {
        try {
            assertThat(tensor.offset()).isPositive();
            assertThat(tensor.byteSize()).isNotNegative();
            assertThat(Math.addExact(tensor.offset(), tensor.byteSize()))
                    .isLessThanOrEqualTo(Files.size(tensor.file()));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private byte[] mutate(Target target) throws IOException {
        byte[] head = Arrays.copyOf(target.original, target.mutable);
        int rounds = 1 + random.nextInt(3);
        for (int i = 0; i < rounds; i++) {
            head = mutateOnce(head);
        }
        if (!target.file.toString().endsWith(".json") && head.length >= 8 && random.nextInt(4) != 0) {
            ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).putLong(0, head.length - 8);
        }
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.write(head);
        all.write(target.original, target.mutable, target.original.length - target.mutable);
        byte[] bytes = all.toByteArray();
        return random.nextInt(20) == 0 ? Arrays.copyOf(bytes, random.nextInt(bytes.length + 1)) : bytes;
    }

    private byte[] mutateOnce(byte[] bytes) throws IOException {
        if (bytes.length == 0) {
            return new byte[] {(byte) random.nextInt(256)};
        }
        int start = random.nextInt(bytes.length);
        int end = Math.min(bytes.length, start + 1 + random.nextInt(12));
        byte[] inserted;
        switch (random.nextInt(7)) {
            case 0 -> {
                byte[] flipped = bytes.clone();
                flipped[start] ^= (byte) (1 << random.nextInt(8));
                return flipped;
            }
            case 1 -> inserted = new byte[0];
            case 2 -> {
                inserted = TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8);
                end = start;
            }
            case 3 -> inserted = TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8);
            case 4 -> {
                inserted = Arrays.copyOfRange(bytes, random.nextInt(start + 1), end);
                end = start;
            }
            case 5 -> {
                inserted = new byte[random.nextInt(8)];
                random.nextBytes(inserted);
            }
            default -> {
                int digit = start;
                while (digit < bytes.length && !Character.isDigit(bytes[digit])) {
                    digit++;
                }
                start = digit;
                end = digit;
                while (end < bytes.length && Character.isDigit(bytes[end])) {
                    end++;
                }
                inserted = Long.toString(random.nextBoolean() ? random.nextInt(20) : random.nextLong())
                        .getBytes(StandardCharsets.UTF_8);
            }
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(bytes, 0, start);
        out.write(inserted);
        out.write(bytes, end, bytes.length - end);
        return out.toByteArray();
    }
}
