package io.github.zimage.internal.quantized;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that no scale is ever ignored: whatever looks like a part of an encoding is understood or refused. */
class QuantizedTensorsTest {
    @TempDir
    Path folder;

    private final List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
    private final List<byte[]> data = new ArrayList<>();

    private QuantizedTensorsTest add(String name, StorageType type, Long... shape) {
        SafetensorsWriter.Tensor tensor = new SafetensorsWriter.Tensor(name, type, List.of(shape));
        tensors.add(tensor);
        data.add(new byte[(int) tensor.byteSize()]);
        return this;
    }

    private QuantizedTensorsTest json(String name, String text) {
        add(name, StorageType.U8, (long) text.length());
        data.set(data.size() - 1, text.getBytes(StandardCharsets.US_ASCII));
        return this;
    }

    private Map<String, TensorEntry> decoded(Map<String, String> metadata) throws IOException {
        Path file = folder.resolve("x.safetensors");
        try (SafetensorsWriter writer = new SafetensorsWriter(file, tensors, metadata)) {
            for (byte[] each : data) {
                writer.write(ByteBuffer.wrap(each));
            }
            writer.commit();
        }
        SafetensorsHeader header = SafetensorsHeader.read(file);
        return QuantizedTensors.decoded("x.safetensors", header.tensors(), header.metadata(), "model.");
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> decoded(Map.of()))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith("x.safetensors: ")
                .hasMessageContaining(message)
                .message()
                .hasLineCount(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a.scale",
                "a.weight.absmax",
                "a.weight.quant_state.bitsandbytes__nf4",
                "a.zero_point",
                "a.weight_s_rel",
                "a.weight_codebook",
                "a.smooth_factor",
                "a.wcscales",
                "a.svd_up",
                "a.input_quantizer"
            })
    void unknownPartsOfEncodings_areRefused(String name) {
        add("a.weight", StorageType.BF16, 2L, 2L).add(name, StorageType.F32, 1L);

        assertRefused("the encoding that \"" + name + "\" belongs to is not understood");
    }

    @Test
    void scalesWithoutAWeight_areRefused() {
        add("a.weight_scale", StorageType.F32, 1L).add("b.weight", StorageType.BF16, 2L, 2L);

        assertRefused("the encoding that \"a.weight_scale\" belongs to is not understood");
    }

    @Test
    void scalesOfPlainWeights_areRefused() {
        add("a.weight", StorageType.BF16, 2L, 2L).add("a.weight_scale", StorageType.F32, 1L);

        assertRefused("tensor \"a.weight\" has scales, but is stored as BF16");
    }

    @Test
    void scalesThatDoNotFit_areRefused() {
        add("a.weight", StorageType.F8_E4M3, 4L, 4L).add("a.weight_scale", StorageType.F32, 3L);

        assertRefused("must have one F32 scale for all, one a row or one a block of [4, 4], but has F32 of [3]");
    }

    @Test
    void missingScales_areRefused() {
        add("a.weight", StorageType.F8_E4M3, 4L, 4L).json("a.comfy_quant", "{\"format\":\"float8_e4m3fn\"}");

        assertRefused("tensor \"a.weight\" must have its weight_scale beside it, but has none");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"format\":\"asym_w4a8_int8\"}|is stored in the format \"asym_w4a8_int8\", which is not read",
                "{\"format\":\"int8_tensorwise\",\"zero_point\":3}|has \"zero_point\", which is not understood",
                "{\"format\":\"int8_tensorwise\",\"convrot\":true,\"convrot_groupsize\":32}|must have a power of 4 as convrot_groupsize, but has 32",
                "{\"format\":\"nvfp4\"}|must be stored as U8 or I8, but is F8_E4M3",
                "{\"format\":7}|must be a JSON object with the name of a format",
                "{\"form|is not sound JSON"
            })
    void formatsThatAreNotUnderstood_areRefused(String textAndMessage) {
        String[] parts = textAndMessage.split("\\|", -1);
        add("a.weight", StorageType.F8_E4M3, 4L, 4L)
                .add("a.weight_scale", StorageType.F32, 1L)
                .json("a.comfy_quant", parts[0]);

        assertRefused(parts[1]);
    }

    // One text in the metadata stands for those beside each layer.
    @Test
    void formatsInMetadata_areThoseOfTheLayers() throws IOException {
        add("a.weight", StorageType.I8, 4L, 4L)
                .add("a.weight_scale", StorageType.F32, 4L)
                .add("b.weight", StorageType.U8, 4L, 4L)
                .add("b.weight_scale", StorageType.F32, 1L);
        String layers =
                "{\"format_version\":\"1.0\",\"layers\":{\"model.a\":{\"format\":\"int8_tensorwise\",\"convrot\":true,"
                        + "\"convrot_groupsize\":4},\"b\":{\"format\":\"float8_e5m2\"}}}";

        Map<String, TensorEntry> decoded = decoded(Map.of("_quantization_metadata", layers));

        assertThat(decoded.keySet()).containsExactly("a.weight", "b.weight");
        assertThat(decoded.get("a.weight").encoding()).isEqualTo("INT8 ConvRot");
        assertThat(decoded.get("b.weight").encoding()).isEqualTo("F8_E5M2 scaled");
        assertThat(decoded.get("b.weight").storedBytes()).isEqualTo(16);
    }
}
