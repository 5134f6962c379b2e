package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.gguf.GgufBytes;
import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.singlefile.OtherForms;
import io.github.zimage.internal.singlefile.OtherForms.Numbers;
import io.github.zimage.placement.Placement;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Protects that a model in single files computes what its folder does, to the bit, wherever its weights are. */
@ExtendWith(NativeLeakExtension.class)
class SingleFilePipelineTest {
    @TempDir
    static Path parent;

    private static Path folder;
    private static Map<String, Numbers> transformer;
    private static Map<String, Numbers> textEncoder;
    private static Map<String, Numbers> vae;
    private static float[] expected;

    @BeforeAll
    static void writeModel() throws IOException {
        folder = parent.resolve("folder");
        SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
        transformer = OtherForms.originalTransformer(OtherForms.read(folder, Component.TRANSFORMER));
        textEncoder = OtherForms.read(folder, Component.TEXT_ENCODER);
        vae = OtherForms.originalVae(OtherForms.read(folder, Component.VAE));
        expected = drawn(ZImageModel.Files.of(folder), builder -> builder);
    }

    private static float[] drawn(ZImageModel.Files files, UnaryOperator<PipelineBuilder> settings) {
        try (ZImageModel model = files.open();
                ZImagePipeline pipeline = settings.apply(model.pipeline().conversionCache(ConversionCache.off()))
                        .build()) {
            return pipeline.generate(TinyModel.request().build()).latents().values();
        }
    }

    /** Lays files out as ComfyUI does, and returns that of the transformer. */
    private Path comfy(String name, StorageType type, String prefix) throws IOException {
        Path models = parent.resolve(name).resolve("models");
        for (String each : new String[] {"diffusion_models/z", "text_encoders", "vae"}) {
            Files.createDirectories(models.resolve(each));
        }
        OtherForms.write(models.resolve("text_encoders/qwen.safetensors"), textEncoder, type);
        OtherForms.write(models.resolve("vae/ae.safetensors"), vae, type);
        Files.copy(folder.resolve("tokenizer/tokenizer.json"), models.resolve("text_encoders/tokenizer.json"));
        return OtherForms.write(
                models.resolve("diffusion_models/z/model.safetensors"),
                OtherForms.renamed(transformer, each -> prefix + each),
                type);
    }

    @Test
    void filesOfComfyUi_drawWhatTheFolderDraws() throws IOException {
        Path file = comfy("bf16", StorageType.BF16, "");

        assertThat(drawn(ZImageModel.Files.of(file), builder -> builder)).containsExactly(expected);
        assertThat(drawn(ZImageModel.Files.of(file), builder -> builder.readWeights(true)))
                .containsExactly(expected);
        assertThat(drawn(
                        ZImageModel.Files.of(file),
                        builder -> builder.place(Component.TRANSFORMER, Placement.streamedFromDisk())
                                .place(Component.TEXT_ENCODER, Placement.streamedFromDisk())))
                .as("streamed")
                .containsExactly(expected);
    }

    @Test
    void wideNumbers_roundToTheSameWeights() throws IOException {
        Path file = comfy("f32", StorageType.F32, "model.diffusion_model.");

        assertThat(drawn(ZImageModel.Files.of(file), builder -> builder)).containsExactly(expected);
    }

    @Test
    void allInOne_drawsWhatTheFolderDraws() throws IOException {
        Map<String, Numbers> all = new LinkedHashMap<>();
        all.putAll(OtherForms.renamed(transformer, name -> "model.diffusion_model." + name));
        all.putAll(OtherForms.renamed(textEncoder, name -> "text_encoders.qwen3_4b.transformer." + name));
        all.putAll(OtherForms.renamed(vae, name -> "vae." + name));
        Path file = OtherForms.write(parent.resolve("all.safetensors"), all, StorageType.BF16);
        ZImageModel.Files files = ZImageModel.Files.of(file).tokenizer(folder.resolve("tokenizer"));

        assertThat(drawn(files, builder -> builder)).containsExactly(expected);
    }

    // INT8 is rounded from the same rows, whichever matrix they are part of.
    @Test
    void eightBits_areTheFoldersToo() throws IOException {
        Path file = comfy("int8", StorageType.BF16, "");

        assertThat(drawn(ZImageModel.Files.of(file), builder -> builder.precision(Precision.INT8)))
                .containsExactly(drawn(ZImageModel.Files.of(folder), builder -> builder.precision(Precision.INT8)));
    }

    @Test
    void convertedWeights_areKeptForAFile() throws IOException {
        Path file = comfy("kept", StorageType.F32, "");
        Path cache = parent.resolve("cache");

        for (int i = 0; i < 2; i++) {
            assertThat(drawn(ZImageModel.Files.of(file), builder -> builder.conversionCache(ConversionCache.in(cache))))
                    .containsExactly(expected);
        }
        assertThat(cache).isDirectoryContaining("glob:**transformer-bf16-*");
    }

    /** Returns a name of the text encoder's as llama.cpp has it. */
    private static String llama(String name) {
        return name.replaceFirst("^model\\.", "")
                .replace("embed_tokens", "token_embd")
                .replaceFirst("^norm\\.", "output_norm.")
                .replaceFirst("^layers\\.", "blk.")
                .replace("input_layernorm", "attn_norm")
                .replace("post_attention_layernorm", "ffn_norm")
                .replace("self_attn.o_proj", "attn_output")
                .replaceFirst("self_attn\\.([qkv])_proj", "attn_$1")
                .replaceFirst("self_attn\\.([qk])_norm", "attn_$1_norm")
                .replaceFirst("mlp\\.(gate|up|down)_proj", "ffn_$1");
    }

    private static Path gguf(Path file, Map<String, Numbers> tensors, StorageType type) {
        GgufBytes bytes = new GgufBytes().text("general.architecture", "any");
        tensors.forEach((name, numbers) -> bytes.tensor(
                name,
                numbers.shape(),
                type == StorageType.BF16 ? 30 : 0,
                OtherForms.bytes(numbers.values(), type).array()));
        return bytes.write(file);
    }

    @Test
    void ggufFiles_drawWhatTheFolderDraws() {
        Path file = gguf(parent.resolve("z.gguf"), transformer, StorageType.BF16);
        Path encoder = gguf(
                parent.resolve("qwen.gguf"),
                OtherForms.renamed(textEncoder, SingleFilePipelineTest::llama),
                StorageType.F32);
        ZImageModel.Files files = ZImageModel.Files.of(file)
                .textEncoder(encoder)
                .vae(folder)
                .tokenizer(folder.resolve("tokenizer/tokenizer.json"));

        assertThat(drawn(files, builder -> builder)).containsExactly(expected);
    }

    /** Rounds matrices of whole blocks to Q8_0: adds them to a file, and returns the numbers that they stand for then. */
    private static Map<String, Numbers> rounded(Map<String, Numbers> tensors, GgufBytes bytes) {
        Map<String, Numbers> decoded = new LinkedHashMap<>();
        tensors.forEach((name, numbers) -> {
            boolean isMatrix = numbers.shape().size() == 2 && numbers.shape().get(1) % 32 == 0;
            float[] values = isMatrix ? numbers.values().clone() : numbers.values();
            bytes.tensor(
                    name,
                    numbers.shape(),
                    isMatrix ? 8 : 0,
                    isMatrix
                            ? q8(values)
                            : OtherForms.bytes(values, StorageType.F32).array());
            decoded.put(name, new Numbers(numbers.shape(), values));
        });
        return decoded;
    }

    private static byte[] q8(float[] values) {
        ByteBuffer blocks = ByteBuffer.allocate(values.length / 32 * 34).order(ByteOrder.LITTLE_ENDIAN);
        for (int first = 0; first < values.length; first += 32) {
            float largest = 0;
            for (int i = first; i < first + 32; i++) {
                largest = Math.max(largest, Math.abs(values[i]));
            }
            short half = OtherForms.half(Math.max(largest / 127, 1e-4f));
            float scale = Float.intBitsToFloat(NumberConversion.f16ToF32(half));
            blocks.putShort(half);
            for (int i = first; i < first + 32; i++) {
                int q = Math.max(-128, Math.min(127, Math.round(values[i] / scale)));
                blocks.put((byte) q);
                values[i] = scale * q;
            }
        }
        return blocks.array();
    }

    // What is decoded while it is read comes to all places where weights are as plain numbers do.
    @Test
    void roundedFiles_drawAsTheNumbersTheyStandFor() throws IOException {
        GgufBytes bytes = new GgufBytes();
        GgufBytes encoderBytes = new GgufBytes();
        Path plain =
                OtherForms.write(parent.resolve("plain.safetensors"), rounded(transformer, bytes), StorageType.F32);
        Path plainEncoder = OtherForms.write(
                parent.resolve("plain-encoder.safetensors"), rounded(textEncoder, encoderBytes), StorageType.F32);
        ZImageModel.Files numbers = ZImageModel.Files.of(plain)
                .textEncoder(plainEncoder)
                .vae(folder)
                .tokenizer(folder);
        ZImageModel.Files blocks = ZImageModel.Files.of(bytes.write(parent.resolve("q8.gguf")))
                .textEncoder(encoderBytes.write(parent.resolve("encoder-q8.gguf")))
                .vae(folder)
                .tokenizer(folder);
        Path cache = parent.resolve("cache-q8");
        List<UnaryOperator<PipelineBuilder>> ways = List.of(
                builder -> builder,
                builder -> builder.precision(Precision.FP32),
                builder -> builder.precision(Precision.INT8),
                builder -> builder.place(Component.TRANSFORMER, Placement.streamedFromDisk())
                        .place(Component.TEXT_ENCODER, Placement.streamedFromDisk()),
                builder -> builder.conversionCache(ConversionCache.in(cache)),
                builder -> builder.conversionCache(ConversionCache.in(cache)));

        for (UnaryOperator<PipelineBuilder> way : ways) {
            float[] own = drawn(blocks, way);
            assertThat(own).containsExactly(drawn(numbers, way));
            assertThat(own).isNotEqualTo(expected);
        }
        assertThat(blocks.open().info().parts().get(1).storageTypes()).containsExactly("Q8_0", "F32");
    }
}
