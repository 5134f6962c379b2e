package io.github.zimage.internal.singlefile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.ModelInfo;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.Safetensors;
import io.github.zimage.internal.singlefile.OtherForms.Numbers;
import io.github.zimage.internal.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that files are told by their tensors, that what they lack is found or named, and that what is no model is called what it is. */
class SingleFileTest {
    @TempDir
    static Path parent;

    private static Path folder;
    private static Map<String, Numbers> transformer;

    @TempDir
    Path own;

    @BeforeAll
    static void writeModel() throws IOException {
        folder = parent.resolve("folder");
        SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
        transformer = OtherForms.originalTransformer(OtherForms.read(folder, Component.TRANSFORMER));
    }

    private static HubCaches none() {
        return HubCaches.of(Map.of(), "");
    }

    private static Checkpoint open(ModelFiles files) {
        return SingleFile.open(files, none());
    }

    private Path file(Map<String, Numbers> tensors) throws IOException {
        return OtherForms.write(own.resolve("any.safetensors"), tensors, StorageType.BF16);
    }

    private static ModelFiles with(Path model) {
        return ModelFiles.of(model, null)
                .withTextEncoder(folder.resolve("text_encoder"))
                .withVae(folder)
                .withTokenizer(folder);
    }

    @Test
    void configuration_isReadOffTheShapes() throws IOException {
        Checkpoint expected = Checkpoint.open(folder, null);
        Map<String, Numbers> vae = OtherForms.originalVae(OtherForms.read(folder, Component.VAE));
        Path vaeFile = OtherForms.write(own.resolve("ae.sft"), vae, StorageType.F32);
        Path encoderFile = OtherForms.write(
                own.resolve("qwen.safetensors"), OtherForms.read(folder, Component.TEXT_ENCODER), StorageType.BF16);

        Checkpoint opened = open(with(file(transformer)).withVae(vaeFile).withTextEncoder(encoderFile));

        assertThat(opened.transformer()).isEqualTo(expected.transformer());
        assertThat(opened.textEncoder()).isEqualTo(expected.textEncoder());
        assertThat(opened.vae()).isEqualTo(expected.vae());
        assertThat(opened.scheduler()).isEqualTo(expected.scheduler());
        assertThat(opened.weights(Component.VAE_ENCODER).tensors().keySet())
                .isEqualTo(expected.weights(Component.VAE_ENCODER).tensors().keySet());
        assertThat(opened.notes())
                .hasSize(4)
                .anySatisfy(note -> assertThat(note).contains("rope_theta 256.0", "axes_dims [8, 12, 12]"))
                .anySatisfy(note -> assertThat(note).contains("scaling_factor 0.3611"));
    }

    // Slices of fused matrices stay mapped, and pad tokens may have lost a dimension.
    @Test
    void weights_areViewsOfTheFile() throws IOException {
        Map<String, Numbers> flat = new LinkedHashMap<>(transformer);
        flat.replaceAll((name, numbers) -> name.endsWith("pad_token")
                ? new Numbers(List.of((long) numbers.values().length), numbers.values())
                : numbers);
        flat.put("norm_final.weight", new Numbers(List.of(4L), new float[4]));
        Path file = file(flat);

        Checkpoint opened = open(with(file));

        assertThat(opened.weights(Component.TRANSFORMER).tensors().values())
                .isNotEmpty()
                .allSatisfy(tensor -> assertThat(tensor.file()).isEqualTo(file));
    }

    @Test
    void everythingMissing_isSaidAtOnceWithThePlacesSearched() throws IOException {
        Path models = Files.createDirectories(own.resolve("models/diffusion_models"));
        Path encoders = Files.createDirectories(own.resolve("models/text_encoders"));
        Path file = OtherForms.write(models.resolve("z.safetensors"), transformer, StorageType.BF16);
        HubCaches caches = HubCaches.of(Map.of("HF_HOME", own.resolve("hf").toString()), own.toString());

        assertThatThrownBy(() -> SingleFile.open(ModelFiles.of(file, null), caches))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContainingAll(
                        "z.safetensors: holds the transformer; missing are the text encoder (Qwen3-4B)",
                        encoders.toString(),
                        own.resolve("hf/hub").toString(),
                        "--text-encoder",
                        "the VAE (FLUX.1's)",
                        "--vae",
                        "the tokenizer",
                        "--tokenizer")
                .message()
                .hasLineCount(1);
    }

    @Test
    void missingParts_areFoundInHubCachesAndInTheCheckpointAround() throws IOException {
        Path snapshot = own.resolve("hub/models--Tongyi-MAI--Z-Image-Turbo/snapshots/abc");
        Files.createDirectories(snapshot.getParent());
        Files.createSymbolicLink(snapshot, folder);
        Path file = file(transformer);
        HubCaches caches =
                HubCaches.of(Map.of("HF_HUB_CACHE", own.resolve("hub").toString()), "");

        Checkpoint cached = SingleFile.open(ModelFiles.of(file, null), caches);
        assertThat(cached.tokenizer()).isEqualTo(snapshot.resolve("tokenizer/tokenizer.json"));
        assertThat(cached.weights(Component.VAE).files()).allMatch(each -> each.startsWith(snapshot));

        Path inside = OtherForms.write(folder.resolve("fine-tune.safetensors"), transformer, StorageType.BF16);
        Checkpoint around = open(ModelFiles.of(inside, null));
        Files.delete(inside);
        assertThat(around.weights(Component.TEXT_ENCODER).files()).allMatch(each -> each.startsWith(folder));
        assertThat(around.notes()).hasSize(1);
    }

    // A part of another size is not Z-Image's, or that of another of its sizes.
    @Test
    void partsThatDoNotFit_areNotTaken() throws IOException {
        Map<String, Numbers> other = OtherForms.read(folder, Component.TEXT_ENCODER);
        other.replaceAll((name, numbers) ->
                name.endsWith("input_layernorm.weight") ? new Numbers(List.of(32L), new float[32]) : numbers);
        Path file = file(transformer);
        OtherForms.write(own.resolve("other.safetensors"), other, StorageType.BF16);

        assertThatThrownBy(() -> open(with(file).withTextEncoder(null)))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("missing are the text encoder");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "layers.0.attention.to_q.lora_A.weight|is a LoRA, not a model (it has \"layers.0.attention.to_q.lora_A.weight\"): name the model with --model, and this file with --lora",
                "lora_unet_layers_0_attention_to_q.lora_down.weight|is a LoRA",
                "control_layers.0.attention.qkv.weight|is a ControlNet for Z-Image",
                "dec_net.cond_embed.weight|draws pixels without a VAE",
                "layers.0.attention.to_qkv.qweight|is quantised by SVDQuant (nunchaku), GPTQ or AWQ",
                "model.diffusion_model.double_blocks.0.img_attn.qkv.weight|holds FLUX or HunyuanVideo",
                "encoder.block.0.layer.0.SelfAttention.q.weight|holds T5",
                "model.visual.blocks.0.attn.qkv.weight|is a Qwen3-VL model",
                "foo|holds tensors such as \"foo\"",
            })
    void whatIsNoModel_isCalledWhatItIs(String tensor, String message) throws IOException {
        Path file = Safetensors.pairs(own.resolve("x.safetensors"), tensor);

        assertThatThrownBy(() -> open(ModelFiles.of(file, null)))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("x.safetensors: ")
                .hasMessageContaining(message);
    }

    @Test
    void otherPartsAlone_areNoModel_butDescribed() throws IOException {
        Path file = file(OtherForms.read(folder, Component.TEXT_ENCODER));

        assertThatThrownBy(() -> open(ModelFiles.of(file, null)))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("holds the text encoder, but no transformer");
        ModelInfo info = ModelInfo.read(file);
        assertThat(info.parts()).singleElement().satisfies(part -> {
            assertThat(part.component()).isEqualTo(Component.TEXT_ENCODER);
            assertThat(part.storageTypes()).containsExactly("BF16");
            assertThat(part.bytes()).isEqualTo(2 * part.parameters());
        });
        assertThat(info.toString()).contains("transformer: not in this file", "rope_theta 1000000.0");
    }

    @Test
    void lackingWeights_areNamed() throws IOException {
        Map<String, Numbers> less = new LinkedHashMap<>(transformer);
        less.remove("layers.1.attention.qkv.weight");

        assertThatThrownBy(() -> open(with(file(less))))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining(
                        "any.safetensors: the weights do not fit the configuration: layers.1.attention.to_q.weight is missing");
    }
}
