package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that a checkpoint is checked as a whole before any weight is read. */
class CheckpointTest {
    @TempDir
    Path parent;

    private Path folder;

    @BeforeEach
    void makeCheckpoint() {
        folder = parent.resolve("models--org--Some-Model/snapshots/0123");
        SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> Checkpoint.open(folder, null))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining(message)
                .message()
                .hasLineCount(1);
    }

    private void edit(String file, String from, String to) throws IOException {
        Path path = folder.resolve(file);
        String text = Files.readString(path);
        assertThat(text).contains(from);
        Files.writeString(path, text.replace(from, to));
    }

    @Test
    void weights_areThoseOfTheConfigInItsOrder() {
        Checkpoint checkpoint = Checkpoint.open(folder, null);
        assertThat(checkpoint.name()).isEqualTo("Some-Model");
        assertThat(checkpoint.weights(Component.TRANSFORMER).tensors().keySet())
                .containsExactlyElementsOf(checkpoint.transformer().tensors().keySet());
        assertThat(checkpoint.weights(Component.TEXT_ENCODER).tensors().keySet())
                .containsExactlyElementsOf(checkpoint.textEncoder().tensors().keySet())
                .contains("layers.1.mlp.up_proj.weight")
                .noneMatch(name -> name.startsWith("layers.2."));
        assertThat(checkpoint.weights(Component.VAE).tensors().keySet())
                .containsExactlyElementsOf(checkpoint.vae().tensors().keySet())
                .noneMatch(name -> name.startsWith("encoder."));
        assertThat(checkpoint.files(Component.VAE).tensors()).containsKey("encoder.conv_in.weight");
        assertThat(checkpoint.scheduler().shift()).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "scheduler/scheduler_config.json",
                "text_encoder/config.json",
                "transformer/config.json",
                "vae/config.json",
                "tokenizer/tokenizer.json"
            })
    void missingFile_isNamed(String file) throws IOException {
        Files.delete(folder.resolve(file));
        assertRefused(file + ": the file is missing");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "text_encoder/model.safetensors",
                "transformer/diffusion_pytorch_model.safetensors",
                "vae/diffusion_pytorch_model.safetensors"
            })
    void missingOrTruncatedWeights_areNamed(String file) throws IOException {
        Path path = folder.resolve(file);
        byte[] bytes = Files.readAllBytes(path);
        Files.write(path, Arrays.copyOf(bytes, bytes.length - 1));
        assertRefused(file + ": tensor ");
        Files.delete(path);
        assertRefused(path.getName(path.getNameCount() - 2) + ": must hold " + path.getFileName());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "model_index.json|ZImagePipeline|FluxPipeline|model_index.json: _class_name must be ZImagePipeline or",
                "model_index.json|ZImageTransformer2DModel|FluxTransformer2DModel|model_index.json: transformer must be a library and ZImageTransformer2DModel",
                "model_index.json|Qwen3Model|T5EncoderModel|model_index.json: text_encoder must be a library and Qwen3Model or Qwen3ForCausalLM",
                "model_index.json|FlowMatchEulerDiscreteScheduler|DDIMScheduler|model_index.json: scheduler must be",
                "model_index.json|AutoencoderKL|AutoencoderTiny|model_index.json: vae must be a library and AutoencoderKL",
                "model_index.json|\"vae\"|\"tae\"|model_index.json: vae must be a library and a class, one of AutoencoderKL, but was absent",
                "transformer/config.json|\"cap_feat_dim\" : 64|\"cap_feat_dim\" : 65|cap_feat_dim must be the text encoder's hidden_size = 64, but was 65",
                "vae/config.json|\"latent_channels\" : 16|\"latent_channels\" : 8|in_channels must be the VAE's latent_channels = 8, but was 16",
                "transformer/config.json|\"n_layers\" : 3|\"n_layers\" : 4|transformer: the weights do not fit the configuration: layers.3.attention.norm_q.weight is missing",
                "text_encoder/config.json|\"vocab_size\" : 512|\"vocab_size\" : 513|embed_tokens.weight must have shape [513, 64], but has [512, 64]",
                "vae/config.json|\"use_post_quant_conv\" : false|\"use_post_quant_conv\" : true|post_quant_conv.weight is missing",
            })
    void contradictions_areNamed(String file, String from, String to, String message) throws IOException {
        edit(file, from, to);
        assertRefused(message);
    }

    @Test
    void folderThatIsNoCheckpoint_isRefused() throws IOException {
        assertThatThrownBy(() -> Checkpoint.open(parent.resolve("none"), null))
                .isInstanceOf(ModelLoadException.class)
                .hasMessage(parent.resolve("none") + ": must be a checkpoint folder, but is missing");
        assertThatThrownBy(() -> Checkpoint.open(folder.resolve("model_index.json"), null))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageEndingWith(
                        "model_index.json: must be a checkpoint folder, but is a file: give its folder, " + folder);
        Files.delete(folder.resolve("model_index.json"));
        assertRefused("must be a checkpoint folder as diffusers makes them, but has no model_index.json");
    }

    private static void assertAdvice(Path given, String advice) {
        assertThatThrownBy(() -> Checkpoint.open(given, null))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining(advice)
                .message()
                .hasLineCount(1);
    }

    // Whoever gives something else should not have to guess what is wanted.
    @Test
    void whatIsNoCheckpoint_isCalledWhatItIs() throws IOException {
        assertAdvice(folder.resolve("transformer"), "it is a component's folder; give the checkpoint's, " + folder);
        assertAdvice(
                folder.resolve("vae/config.json"),
                "it belongs to a component; give the checkpoint's folder, " + folder);
        Path snapshots = Objects.requireNonNull(folder.getParent());
        assertAdvice(snapshots, "give the folder in it, " + folder);
        assertAdvice(
                Objects.requireNonNull(snapshots.getParent()),
                "it is a model's folder in Hugging Face's cache; give the folder below snapshots, " + folder);
        assertAdvice(parent, "it is Hugging Face's cache; give the folder below snapshots of a model in it");
        assertAdvice(
                Path.of("Some-Org/Some-Model"),
                "download it first, with `zimage pull Some-Org/Some-Model` or ZImageHub");
        Path files = Files.createDirectory(parent.resolve("files"));
        assertAdvice(Files.writeString(files.resolve("a.safetensors"), "x"), "is a file: it is a single file");
        assertAdvice(Files.writeString(files.resolve("a.ckpt"), "x"), "is a file: PyTorch files are not read");
        assertAdvice(Files.writeString(files.resolve("model"), "GGUF"), "is a file: it is a GGUF file");
        assertAdvice(files, "it holds single files or those of one component");
    }

    @Test
    void whatIsNotThereYet_isCalledWhatItIs() throws IOException {
        assertAdvice(
                Path.of("https://huggingface.co/Some-Org/Some-Model"),
                "it is an address, from which nothing is fetched");
        assertAdvice(Path.of("hf://Some-Org/Some-Model"), "it is an address, from which nothing is fetched");
        assertAdvice(Path.of("~/Some-Model"), "the shell knows what ~ stands for only where it is not in quotes");
        assertAdvice(Files.writeString(parent.resolve("model.tar.gz"), "x"), "archives are not read; unpack it");
        assertAdvice(Files.createDirectory(parent.resolve("empty")), "it is empty, or cannot be listed");
        Path snapshots = Objects.requireNonNull(folder.getParent());
        assertAdvice(Files.createDirectory(snapshots.resolve("other")), "the download is not complete; begin it again");
        Path fetched = Files.createDirectories(parent.resolve("fetched"));
        Files.createDirectories(fetched.resolve(".cache/huggingface/download"));
        assertAdvice(fetched, "the download is not complete; begin it again");
        // The spelling of a hub's name does not make an address of a folder.
        assertAdvice(Path.of("Some-Org/Some-Model/more"), "but is missing");
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void whatIsNeitherFileNorFolder_isRefusedUnopened() throws Exception {
        Path pipe = parent.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        assertAdvice(pipe, "is a special file: a folder in the layout of diffusers is needed");
        assertAdvice(Path.of("/dev/null"), "is a special file");
    }

    @Test
    void linksToWhatIsMissing_areNamedWithTheirTarget() throws IOException {
        assertAdvice(
                Files.createSymbolicLink(parent.resolve("gone"), Path.of("elsewhere")),
                "gone: is a link to " + parent.resolve("elsewhere") + ", which is missing");
        for (String file : List.of("tokenizer/tokenizer.json", "vae/config.json", "model_index.json")) {
            Path link = folder.resolve(file);
            Files.delete(link);
            Files.createSymbolicLink(link, Path.of("/nowhere/blobs/0123"));
            assertRefused("is a link to /nowhere/blobs/0123, which is missing. Either the download is not complete");
            assertRefused("the folder blobs is needed, too");
        }
    }

    // It is read by native code, which ends the JVM when memory runs out.
    @Test
    void hugeTokenizer_isRefusedUnread() throws IOException {
        try (RandomAccessFile file =
                new RandomAccessFile(folder.resolve("tokenizer/tokenizer.json").toFile(), "rw")) {
            file.setLength(1L << 40);
        }
        assertRefused(
                "tokenizer/tokenizer.json: a tokenizer must have at most 100000000 bytes, but this has 1099511627776");
    }

    @Test
    void tokenizerInTheOldFormat_isRefusedWithTheRemedy() throws IOException {
        Files.move(folder.resolve("tokenizer/tokenizer.json"), folder.resolve("tokenizer/vocab.json"));
        assertRefused("the file is missing and vocab.json is not enough: make it with AutoTokenizer.save_pretrained");
    }

    @Test
    void variantThatNoComponentHas_isRefused() throws IOException {
        assertThatThrownBy(() -> Checkpoint.open(folder, "fp8"))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageEndingWith("no component has weights of variant \"fp8\"");
        Files.copy(
                folder.resolve("vae/diffusion_pytorch_model.safetensors"),
                folder.resolve("vae/diffusion_pytorch_model.fp8.safetensors"));
        assertThat(Checkpoint.open(folder, "fp8").weights(Component.VAE).files())
                .containsExactly(folder.resolve("vae/diffusion_pytorch_model.fp8.safetensors"));
    }

    /** Other pipelines of the family store the same components. */
    @Test
    void textEncoderWithHeadAndWithoutPrefix_isTheSame() throws IOException {
        edit("model_index.json", "Qwen3Model", "Qwen3ForCausalLM");
        edit("model_index.json", "ZImagePipeline", "ZImageImg2ImgPipeline");
        assertThat(Checkpoint.open(folder, null).className(Component.TEXT_ENCODER))
                .isEqualTo("Qwen3ForCausalLM");
    }
}
