package io.github.zimage.internal.singlefile;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.singlefile.OtherForms.Numbers;
import io.github.zimage.internal.weights.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Protects against files whose names and shapes do not belong together: whatever they are, the model is sound or refused in one line. {@code
 * -Dzimage.fuzz=long} tries 50,000 files rather than 500.
 */
class SingleFileFuzzTest {
    private static final int INPUTS = "long".equals(System.getProperty("zimage.fuzz")) ? 50_000 : 500;

    private static final List<String> PIECES = List.of(
            "layers.0",
            "layers.999",
            "attention.qkv",
            "attention.to_q",
            ".weight",
            ".weight_scale",
            ".comfy_quant",
            "scaled_fp8",
            "model.",
            "vae.",
            "decoder.up.0",
            "decoder.up.9",
            "self_attn.q_norm",
            "cap_embedder.1",
            "lora_A",
            "0",
            "1",
            "3",
            "64",
            "65536",
            "9999999999",
            "BF16",
            "F8_E4M3",
            "I8",
            "U8",
            "F32",
            "blk.0.attn_q_norm.weight",
            "\\u0007",
            "");

    @TempDir
    Path folder;

    @Test
    void mutatedNamesAndShapes_areSoundOrRefused() throws IOException {
        Path model = folder.resolve("model");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
        Map<String, Numbers> all =
                new LinkedHashMap<>(OtherForms.originalTransformer(OtherForms.read(model, Component.TRANSFORMER)));
        all.putAll(OtherForms.renamed(
                OtherForms.read(model, Component.TEXT_ENCODER), name -> "text_encoders.qwen3_4b.transformer." + name));
        all.putAll(OtherForms.renamed(
                OtherForms.originalVae(OtherForms.read(model, Component.VAE)), name -> "vae." + name));
        Path file = OtherForms.write(folder.resolve("all.safetensors"), all, StorageType.BF16);
        byte[] sound = Files.readAllBytes(file);
        int end =
                8 + (int) ByteBuffer.wrap(sound).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        String header = new String(sound, 8, end - 8, StandardCharsets.UTF_8);
        Random random = new Random(5);
        assertThat(isRefused(file, model, -1)).isFalse();

        int refused = 0;
        for (int i = 0; i < INPUTS; i++) {
            byte[] mutated = mutated(header, random).getBytes(StandardCharsets.UTF_8);
            ByteBuffer bytes =
                    ByteBuffer.allocate(8 + mutated.length + sound.length - end).order(ByteOrder.LITTLE_ENDIAN);
            bytes.putLong(mutated.length).put(mutated).put(sound, end, sound.length - end);
            Files.write(file, Arrays.copyOf(bytes.array(), bytes.position()));
            refused += isRefused(file, model, i) ? 1 : 0;
        }
        assertThat(refused).as("files that were refused").isBetween(INPUTS / 4, INPUTS - 1);
    }

    private static String mutated(String header, Random random) {
        StringBuilder text = new StringBuilder(header.strip());
        for (int n = random.nextInt(3); n >= 0; n--) {
            String from = PIECES.get(random.nextInt(PIECES.size() - 1));
            String to = PIECES.get(random.nextInt(PIECES.size()));
            int at = text.indexOf(from, random.nextInt(text.length()));
            if (at >= 0) {
                text.replace(at, at + from.length(), to);
            }
        }
        return text.toString();
    }

    private static boolean isRefused(Path file, Path model, int input) {
        try {
            Checkpoint opened = SingleFile.open(
                    ModelFiles.of(file, null).withTokenizer(model.resolve("tokenizer")), HubCaches.of(Map.of(), ""));
            for (Component component : Component.values()) {
                for (TensorEntry tensor : opened.weights(component).tensors().values()) {
                    assertThat(tensor.file() == null || tensor.offset() + tensor.byteSize() <= Files.size(file))
                            .isTrue();
                }
            }
            return false;
        } catch (ModelLoadException e) {
            assertThat(e.getMessage()).as("input %d", input).hasLineCount(1).hasSizeLessThan(4000);
            assertThat(String.valueOf(e.getMessage()).chars().anyMatch(Character::isISOControl))
                    .as("control characters in the message of input %d", input)
                    .isFalse();
            return true;
        } catch (IOException | RuntimeException | Error e) {
            throw new AssertionError("input " + input, e);
        }
    }
}
