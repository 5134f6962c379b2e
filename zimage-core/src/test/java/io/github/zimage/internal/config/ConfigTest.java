package io.github.zimage.internal.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects the defaults, names and shapes that diffusers and transformers have, and the refusal of all else by name. */
class ConfigTest {
    @TempDir
    Path folder;

    private Path json(String text) throws IOException {
        return Files.writeString(folder.resolve("config.json"), text);
    }

    /** The test's JSON has single quotes, so that it can be read. */
    private <T> void assertRefused(Function<Path, T> read, String text, String message) throws IOException {
        Path file = json(text.replace('\'', '"'));
        assertThatThrownBy(() -> read.apply(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessage(folder.getFileName() + "/config.json: " + message.replace('\'', '"'));
    }

    @Test
    void emptyConfigs_haveTheDefaultsOfDiffusersAndTransformers() throws IOException {
        Path empty = json("{}");
        assertThat(TransformerConfig.read(empty))
                .isEqualTo(new TransformerConfig(
                        3840,
                        30,
                        2,
                        30,
                        1e-5,
                        true,
                        2560,
                        16,
                        256,
                        1000,
                        List.of(32, 48, 48),
                        List.of(1024, 512, 512)));
        assertThat(TextEncoderConfig.read(empty))
                .isEqualTo(new TextEncoderConfig(4096, 32, 32, 32, 128, 22_016, 1e-6, 10_000, 151_936, false));
        assertThat(SchedulerConfig.read(empty))
                .isEqualTo(new SchedulerConfig(1000, 1, false, 0.5, 1.15, 256, 4096, null, false));
        assertThat(VaeConfig.read(json("""
                {"block_out_channels":[32,64],"up_block_types":["UpDecoderBlock2D","UpDecoderBlock2D"]}""")))
                .isEqualTo(new VaeConfig(4, List.of(32, 64), 1, 32, 0.18215, 0, true, true, 3));
    }

    @Test
    void derivedSizes_areThoseOfTheRealModel() throws IOException {
        TransformerConfig transformer = TransformerConfig.read(json("{}"));
        assertThat(List.of(transformer.headDim(), transformer.ffnDim(), transformer.adaLnDim()))
                .containsExactly(128, 10_240, 256);
        assertThat(new VaeConfig(16, List.of(128, 256, 512, 512), 2, 32, 1, 0, false, true, 3).scale())
                .isEqualTo(8);
    }

    /** The expected files are made by {@code make_shapes.py} with diffusers 0.42.1 and transformers 5.23. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "transformer-small",
                "transformer-wide",
                "qwen-plain",
                "qwen-bias",
                "vae-two-levels",
                "vae-four-levels"
            })
    void namesAndShapes_areThoseThatPythonMakes(String name) throws IOException {
        Path config = json(resource(name + ".json"));
        Map<String, List<Long>> all = new LinkedHashMap<>();
        resource(name + ".tensors").lines().forEach(line -> {
            String[] parts = line.split(" ");
            all.put(parts[0], Stream.of(parts[1].split("x")).map(Long::valueOf).toList());
        });
        Map<String, List<Long>> read;
        Map<String, List<Long>> file;
        if (name.startsWith("transformer")) {
            read = TransformerConfig.read(config).tensors();
            file = read;
        } else if (name.startsWith("qwen")) {
            read = TextEncoderConfig.read(config).tensors();
            file = TextEncoderConfig.read(config).fileTensors();
            assertThat(file).containsAllEntriesOf(read);
            assertThat(all.keySet().stream().filter(key -> !read.containsKey(key)))
                    .allMatch(key -> key.startsWith("layers.2.") || key.equals("norm.weight"));
        } else {
            VaeConfig vae = VaeConfig.read(config);
            read = vae.tensors();
            file = new LinkedHashMap<>(read);
            file.putAll(vae.encoderTensors());
        }
        assertThat(file).containsExactlyInAnyOrderEntriesOf(all);
        if (name.startsWith("transformer")) {
            assertThat(file.keySet()).containsExactlyElementsOf(all.keySet());
        }
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = Objects.requireNonNull(ConfigTest.class.getResourceAsStream(name), name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @Test
    void oneTextEncoderLayer_needsOnlyEmbeddings() {
        assertThat(new TextEncoderConfig(8, 1, 1, 1, 8, 8, 1e-6, 1e4, 9, false).tensors())
                .isEqualTo(Map.of("embed_tokens.weight", List.of(9L, 8L)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'_class_name':'FluxTransformer2DModel'}|_class_name must be ZImageTransformer2DModel, but was 'FluxTransformer2DModel'",
                "{'siglip_feat_dim':1152}|siglip_feat_dim is not supported and must be absent or null, but was 1152",
                "{'quantization_config':{}}|quantization_config is not supported and must be absent or null, but was {}",
                "{'all_patch_size':[2,4]}|all_patch_size must be [2], but was [2,4]",
                "{'all_f_patch_size':[2]}|all_f_patch_size must be [1], but was [2]",
                "{'dim':0}|dim must be an integer from 1 to 65536, but was 0",
                "{'dim':65537}|dim must be an integer from 1 to 65536, but was 65537",
                "{'dim':-9223372036854775809}|dim must be an integer from 1 to 65536, but was -9223372036854775809",
                "{'dim':3840.0}|dim must be an integer from 1 to 65536, but was 3840.0",
                "{'dim':'3840'}|dim must be an integer from 1 to 65536, but was '3840'",
                "{'dim':null}|dim must be an integer from 1 to 65536, but was null",
                "{'n_layers':1001}|n_layers must be an integer from 1 to 1000, but was 1001",
                "{'n_refiner_layers':-1}|n_refiner_layers must be an integer from 0 to 1000, but was -1",
                "{'n_heads':7}|n_heads must divide dim = 3840, but was 7",
                "{'n_heads':true}|n_heads must be an integer from 1 to 65536, but was true",
                "{'norm_eps':0}|norm_eps must be a finite number above 0, but was 0",
                "{'norm_eps':1e999}|norm_eps must be a finite number above 0, but was \"Infinity\"",
                "{'qk_norm':1}|qk_norm must be true or false, but was 1",
                "{'rope_theta':-256}|rope_theta must be a finite number above 0, but was -256",
                "{'t_scale':'1000'}|t_scale must be a finite number above 0, but was '1000'",
                "{'axes_dims':[32,48,47]}|axes_dims must be even, but was [32, 48, 47]",
                "{'axes_dims':[32,48,50]}|axes_dims must add up to dim / n_heads = 128, but was [32, 48, 50]",
                "{'axes_dims':[64,64]}|axes_dims must have 3 entries, but was [64, 64]",
                "{'axes_dims':128}|axes_dims must be a list of integers, but was 128",
                "{'axes_lens':[1,2]}|axes_lens must have 3 entries, but was [1, 2]",
                "{'axes_lens':[1,2,0]}|axes_lens must be an integer from 1 to 16777216, but was 0",
                "{'cap_feat_dim':0}|cap_feat_dim must be an integer from 1 to 65536, but was 0",
                "{'in_channels':0}|in_channels must be an integer from 1 to 4096, but was 0",
                "[]|must be a JSON object, but was []",
                "7|must be a JSON object, but was 7",
            })
    void transformer_refuses(String text, String message) throws IOException {
        assertRefused(TransformerConfig::read, text, message);
    }

    @Test
    void keyValueHeads_areIgnoredAsInDiffusers() throws IOException {
        assertThat(TransformerConfig.read(json("{\"n_kv_heads\":8,\"unknown\":{\"a\":[1]}}")))
                .isEqualTo(TransformerConfig.read(json("{}")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'model_type':'llama'}|model_type must be qwen3, but was 'llama'",
                "{'hidden_act':'gelu'}|hidden_act must be silu or swish, but was 'gelu'",
                "{'quantization_config':{'bits':4}}|quantization_config is not supported and must be absent or null, but was {'bits':4}",
                "{'num_key_value_heads':5}|num_key_value_heads must divide num_attention_heads = 32, but was 5",
                "{'head_dim':7}|head_dim must be even, but was 7",
                "{'head_dim':null}|head_dim must be an integer from 1 to 65536, but was null",
                "{'num_hidden_layers':0}|num_hidden_layers must be an integer from 1 to 1000, but was 0",
                "{'rms_norm_eps':'x'}|rms_norm_eps must be a finite number above 0, but was 'x'",
                "{'vocab_size':0}|vocab_size must be an integer from 1 to 16777216, but was 0",
                "{'rope_theta':0}|rope_theta must be a finite number above 0, but was 0",
                "{'rope_scaling':{'rope_type':'yarn','factor':4}}|rope_scaling.rope_type must be default, but was 'yarn'",
                "{'rope_scaling':{'type':'linear'}}|rope_scaling.type must be default, but was 'linear'",
                "{'rope_scaling':7}|rope_scaling must be an object, but was 7",
                "{'rope_parameters':{'rope_type':'llama3'}}|rope_parameters.rope_type must be default, but was 'llama3'",
                "{'rope_parameters':{'rope_theta':-1}}|rope_parameters.rope_theta must be a finite number above 0, but was -1",
                "{'rope_parameters':{'full_attention':{}}}|rope_parameters.full_attention is not supported: rotary parameters must be the same for all layers, but was {}",
                "{'partial_rotary_factor':0.5}|partial_rotary_factor must be 1, but was 0.5",
                "{'use_sliding_window':true}|use_sliding_window is not supported and must be false, but was true",
                "{'num_hidden_layers':2,'layer_types':['full_attention','sliding_attention']}|layer_types must be full_attention throughout, but was 'sliding_attention'",
                "{'layer_types':['full_attention']}|layer_types must have num_hidden_layers = 32 entries, but was 1",
                "{'layer_types':[1]}|layer_types must be a list of texts, but was [1]",
                "{'attention_bias':'no'}|attention_bias must be true or false, but was 'no'",
            })
    void textEncoder_refuses(String text, String message) throws IOException {
        assertRefused(TextEncoderConfig::read, text, message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'rope_theta':1000000}|1e6",
                "{'rope_theta':1000000,'rope_scaling':null}|1e6",
                "{'rope_parameters':{'rope_theta':1000000.0,'rope_type':'default'}}|1e6",
                "{'rope_theta':5,'rope_parameters':{'rope_type':'default'}}|5",
                "{'rope_theta':5,'rope_parameters':{'rope_theta':6}}|6",
                "{'rope_parameters':null}|1e4",
                "{'rope_theta':null}|1e4",
            })
    void ropeTheta_isReadInOldAndNewForm(String text, double theta) throws IOException {
        assertThat(TextEncoderConfig.read(json(text.replace('\'', '"'))).ropeTheta())
                .isEqualTo(theta);
    }

    @Test
    void absentSlidingWindow_isFullAttention() throws IOException {
        assertThat(TextEncoderConfig.read(json("""
                {"num_hidden_layers":4,"use_sliding_window":true,"max_window_layers":4,"num_key_value_heads":null,\
                "num_attention_heads":6}""")).kvHeads()).isEqualTo(6);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'_class_name':'AutoencoderKLWan'}|_class_name must be AutoencoderKL, but was 'AutoencoderKLWan'",
                "{'act_fn':'relu'}|act_fn must be silu or swish, but was 'relu'",
                "{'latents_mean':[0.1]}|latents_mean is not supported and must be absent or null, but was [0.1]",
                "{'latents_std':[0.1]}|latents_std is not supported and must be absent or null, but was [0.1]",
                "{'block_out_channels':[64]}|block_out_channels must have 2 to 6 entries, but was 1",
                "{'block_out_channels':[32,32,32,32,32,32,32]}|block_out_channels must have 2 to 6 entries, but was 7",
                "{'block_out_channels':[32,48]}|block_out_channels must be multiples of norm_num_groups = 32, but was 48",
                "{'block_out_channels':[32,64]}|up_block_types must have as many entries as block_out_channels, 2, but was 1",
                "{'block_out_channels':[32,64],'up_block_types':['UpDecoderBlock2D','AttnUpDecoderBlock2D']}|up_block_types must be UpDecoderBlock2D throughout, but was 'AttnUpDecoderBlock2D'",
                "{'layers_per_block':0}|layers_per_block must be an integer from 1 to 100, but was 0",
                "{'norm_num_groups':0}|norm_num_groups must be an integer from 1 to 65536, but was 0",
                "{'scaling_factor':0}|scaling_factor must be a finite number above 0, but was 0",
                "{'shift_factor':'0'}|shift_factor must be a finite number, but was '0'",
                "{'out_channels':4}|out_channels must be an integer from 3 to 3, but was 4",
            })
    void vae_refuses(String text, String message) throws IOException {
        assertRefused(VaeConfig::read, text, message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'_class_name':'EulerDiscreteScheduler'}|_class_name must be FlowMatchEulerDiscreteScheduler, but was 'EulerDiscreteScheduler'",
                "{'use_karras_sigmas':true}|use_karras_sigmas is not supported and must be false, but was true",
                "{'use_exponential_sigmas':true}|use_exponential_sigmas is not supported and must be false, but was true",
                "{'use_beta_sigmas':true}|use_beta_sigmas is not supported and must be false, but was true",
                "{'invert_sigmas':true}|invert_sigmas is not supported and must be false, but was true",
                "{'stochastic_sampling':true}|stochastic_sampling is not supported and must be false, but was true",
                "{'stochastic_sampling':0}|stochastic_sampling must be true or false, but was 0",
                "{'time_shift_type':'cosine'}|time_shift_type must be exponential or linear, but was 'cosine'",
                "{'shift':0}|shift must be a finite number above 0, but was 0",
                "{'num_train_timesteps':0}|num_train_timesteps must be an integer from 1 to 1000000, but was 0",
                "{'max_image_seq_len':256}|max_image_seq_len must differ from base_image_seq_len, but was 256",
                "{'shift_terminal':1}|shift_terminal must be at least 0 and below 1, but was 1",
            })
    void scheduler_refuses(String text, String message) throws IOException {
        assertRefused(SchedulerConfig::read, text, message);
    }

    @Test
    void scheduler_readsAllThatItSupports() throws IOException {
        assertThat(SchedulerConfig.read(json("""
                {"num_train_timesteps":500,"shift":6,"use_dynamic_shifting":true,"base_shift":null,"max_shift":2.5,\
                "base_image_seq_len":10,"max_image_seq_len":20,"shift_terminal":0.02,"time_shift_type":"linear",\
                "use_karras_sigmas":false}""")))
                .isEqualTo(new SchedulerConfig(500, 6, true, 0.5, 2.5, 10, 20, 0.02, true));
        assertThat(SchedulerConfig.read(json("{\"shift_terminal\":0}")).shiftTerminal())
                .isNull();
    }

    static Stream<String> damagedJson() {
        return Stream.of(
                "",
                "{",
                "nonsense",
                "{\"dim\":1,\"dim\":2}",
                "{} {}",
                "{\"dim\":NaN}",
                "{'dim':1}",
                "\u0000\u0001",
                "[".repeat(10_000),
                "{\"a\":".repeat(1000),
                "{\"dim\":" + "1".repeat(1000) + "}",
                "{\"dim\":" + "1".repeat(5000) + "}",
                "{\"axes_dims\":[" + "2,".repeat(100_000) + "2]}",
                "{\"" + "k".repeat(100_000) + "\":1");
    }

    @ParameterizedTest
    @MethodSource("damagedJson")
    void damagedJson_isRefusedInOneLine(String text) throws IOException {
        Path file = json(text);
        assertThatThrownBy(() -> TransformerConfig.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith(folder.getFileName() + "/config.json: ")
                .message()
                .hasLineCount(1)
                .doesNotContain("com.fasterxml", "Feature", "Constraints", "Source")
                .hasSizeLessThan(250);
    }

    // Python writes and reads NaN and infinities, and whoever publishes a model may put anything under keys of their
    // own.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "'loss':NaN,'limits':[Infinity,-Infinity]",
                "'a':1,'a':2",
                "'digits':1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
                "'small':1e-9999,'large':1e9999",
                "'name':'\\ud800'"
            })
    void whatIsNotAskedFor_mayBeAnythingThatPythonReads(String keys) throws IOException {
        assertThat(TransformerConfig.read(json("{" + keys.replace('\'', '"') + "}")))
                .isEqualTo(TransformerConfig.read(json("{}")));
    }

    @Test
    void largeValuesThatAreNotAskedFor_areTolerated() throws IOException {
        String json = "{\"list\":[" + "0,".repeat(250_000) + "0],\"text\":\"" + "x".repeat(3_000_000) + "\",\"deep\":"
                + "[".repeat(300) + "]".repeat(300) + "}";
        assertThat(TransformerConfig.read(json(json))).isEqualTo(TransformerConfig.read(json("{}")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "Infinity", "-Infinity"})
    void numberThatIsNotFinite_isRefusedByName(String value) throws IOException {
        Path file = json("{\"rope_theta\":" + value + "}");
        assertThatThrownBy(() -> TransformerConfig.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("rope_theta must be a finite number above 0, but was ")
                .hasMessageContaining(value);
    }

    @Test
    void fileThatIsTooLargeMissingOrAFolder_isRefused() throws IOException {
        Path large = json(" ".repeat(16_000_001));
        assertThatThrownBy(() -> TransformerConfig.read(large))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageEndingWith("zimage reads configurations of at most 16000000 bytes, but this has 16000001");
        assertThatThrownBy(() -> TransformerConfig.read(folder.resolve("none.json")))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("none.json: the file is missing");
        assertThatThrownBy(() -> TransformerConfig.read(folder))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("must be a file, but is a folder");
    }
}
