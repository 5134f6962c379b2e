package io.github.zimage.internal.quantized;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.gguf.GgufFile;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import io.github.zimage.internal.weights.TensorFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Protects that weights are decoded as gguf-py, PyTorch and the definitions of the formats say; tools/parity made the files. */
class DecodedParityTest {
    private static final Path FILES = Path.of("src/test/resources/files");

    private static float[] read(TensorEntry entry) throws IOException {
        try (TensorFiles files = new TensorFiles()) {
            return RowData.floats(files, entry);
        }
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToIntBits(values[i]);
        }
        return bits;
    }

    @Test
    void blocksOfGguf_areThoseOfGgufPy() throws IOException {
        Map<String, TensorEntry> expected = SafetensorsHeader.read(FILES.resolve("types-expected.safetensors"))
                .tensors();
        Map<String, TensorEntry> tensors =
                GgufFile.read(FILES.resolve("types.gguf")).tensors();

        assertThat(tensors.keySet()).containsExactlyInAnyOrderElementsOf(expected.keySet());
        for (BlockType type : BlockType.values()) {
            assertThat(tensors).containsKey(type.name());
        }
        for (TensorEntry each : expected.values()) {
            TensorEntry tensor = tensors.get(each.name());
            assertThat(tensor.shape()).as(each.name()).isEqualTo(each.shape());
            assertThat(tensor.encoding()).isEqualTo(each.name());
            assertThat(bits(read(tensor))).as(each.name()).containsExactly(bits(read(each)));
        }
    }

    @Test
    void metadata_areRead() {
        assertThat(GgufFile.read(FILES.resolve("types.gguf")).metadata())
                .containsEntry("general.architecture", "lumina2")
                .containsEntry("general.name", "Blöcke 块")
                .containsEntry("some.count", "9223372036854775809")
                .containsEntry("some.flag", "true")
                .containsEntry("qwen3.rope.freq_base", "1000000.0")
                .containsEntry("tokenizer.ggml.tokens", "");
    }

    @Test
    void encodingsOfComfyUi_areThoseOfTheirDefinitions() throws IOException {
        SafetensorsHeader header = SafetensorsHeader.read(FILES.resolve("comfy.safetensors"));
        Map<String, TensorEntry> expected = SafetensorsHeader.read(FILES.resolve("comfy-expected.safetensors"))
                .tensors();

        Map<String, TensorEntry> decoded = QuantizedTensors.decoded("comfy", header.tensors(), header.metadata(), "");

        assertThat(decoded.keySet())
                .containsExactlyInAnyOrderElementsOf(
                        expected.keySet().stream().map(name -> name + ".weight").toList());
        for (TensorEntry each : expected.values()) {
            TensorEntry tensor = decoded.get(each.name() + ".weight");
            assertThat(tensor.shape()).as(each.name()).isEqualTo(each.shape());
            float[] values = read(tensor);
            if (each.name().startsWith("turned")) {
                // Sums of 64 or 256 numbers up to 1.3 were made in FP64 there: their rounding is at most some units of
                // 2^-24 times that sum.
                assertThat(values).as(each.name()).containsExactly(read(each), Offset.offset(2e-6f));
            } else {
                assertThat(bits(values)).as(each.name()).containsExactly(bits(read(each)));
            }
        }
    }

    // Readers ask for pieces of any size that begin anywhere; rows of slices, too.
    @Test
    void anyPart_isThatOfTheWhole() throws IOException {
        SafetensorsHeader header = SafetensorsHeader.read(FILES.resolve("comfy.safetensors"));
        Map<String, TensorEntry> decoded = QuantizedTensors.decoded("comfy", header.tensors(), header.metadata(), "");
        Map<String, TensorEntry> gguf =
                GgufFile.read(FILES.resolve("types.gguf")).tensors();
        for (TensorEntry whole : List.of(
                decoded.get("mx.weight"), decoded.get("nvpre.weight"), decoded.get("grid.weight"), gguf.get("Q6_K"))) {
            float[] all = read(whole);
            int columns = Math.toIntExact(whole.shape().get(1));
            TensorEntry last = whole.rows("last", whole.shape().get(0) - 2, 2);
            assertThat(read(last)).containsExactly(Arrays.copyOfRange(all, all.length - 2 * columns, all.length));
            try (TensorFiles files = new TensorFiles()) {
                ByteBuffer bytes = ByteBuffer.allocate(4 * (columns + 3)).order(ByteOrder.LITTLE_ENDIAN);
                files.read(whole, 4L * (columns - 1), bytes);
                assertThat(bytes.flip().getFloat()).isEqualTo(all[columns - 1]);
                assertThat(bytes.getFloat(4 * (columns + 2))).isEqualTo(all[2 * columns + 1]);
            }
        }
    }
}
