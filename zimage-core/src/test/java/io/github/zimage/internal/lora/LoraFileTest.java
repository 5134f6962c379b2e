package io.github.zimage.internal.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.LoraReport;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that adapters are found under the names of all programs, that nothing of a file is left out in silence, and that no file does harm. */
@Timeout(120)
final class LoraFileTest {
    private static final int INPUTS = "long".equals(System.getProperty("zimage.fuzz")) ? 100_000 : 3_000;

    @TempDir
    Path folder;

    /** F32 tensors of zeros, by their names and shapes. */
    private Path file(Map<String, List<Integer>> tensors) throws IOException {
        StringBuilder header = new StringBuilder("{");
        int end = 0;
        for (Map.Entry<String, List<Integer>> each : tensors.entrySet()) {
            int bytes = 4 * each.getValue().stream().reduce(1, (a, b) -> a * b);
            header.append(header.length() == 1 ? "" : ",")
                    .append("\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                            .formatted(each.getKey(), each.getValue(), end, end + bytes));
            end += bytes;
        }
        byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + end).order(ByteOrder.LITTLE_ENDIAN);
        return Files.write(
                folder.resolve("some.safetensors"),
                bytes.putLong(json.length).put(json).array());
    }

    private static Map<String, List<Integer>> pair(
            String down, List<Integer> downShape, String up, List<Integer> upShape) {
        Map<String, List<Integer>> tensors = new LinkedHashMap<>();
        tensors.put(down, downShape);
        tensors.put(up, upShape);
        return tensors;
    }

    private LoraReport report(Map<String, List<Integer>> tensors) throws IOException {
        return LoraFile.read(file(tensors), PUBLISHED).report();
    }

    private static final ModelShapes PUBLISHED = published();

    private static ModelShapes published() {
        ModelShapes names = ModelShapes.names();
        return new ModelShapes(names.transformer(), names.textEncoder(), names.textEncoderRun(), true);
    }

    @ParameterizedTest
    @CsvSource({
        "layers.7.attention.to_q, layers.7.attention.to_q",
        "transformer.layers.7.attention.to_out.0, layers.7.attention.to_out.0",
        "diffusion_model.layers.7.attention.out, layers.7.attention.to_out.0",
        "base_model.model.layers.7.attention.to.k, layers.7.attention.to_k",
        "lora_unet_layers_29_attention_to_out_0, layers.29.attention.to_out.0",
        "lora_unet_context_refiner_1_attention_to_v, context_refiner.1.attention.to_v",
        "lycoris_noise_refiner_0_attention_to_k, noise_refiner.0.attention.to_k",
        "model.diffusion_model.noise_refiner.0.attention.to_k, noise_refiner.0.attention.to_k",
        "base_model.model.transformer.context_refiner.0.attention.to_q, context_refiner.0.attention.to_q",
    })
    void namesOfAllPrograms_meanTheSameModules(String written, String module) throws IOException {
        for (List<String> suffixes : List.of(
                List.of(".lora_A.weight", ".lora_B.weight"),
                List.of(".lora_A.default.weight", ".lora_B.default.weight"),
                List.of(".lora_down.weight", ".lora_up.weight"),
                List.of(".lora.down.weight", ".lora.up.weight"))) {
            LoraReport report = report(
                    pair(written + suffixes.get(0), List.of(4, 3840), written + suffixes.get(1), List.of(3840, 4)));
            assertThat(report.isComplete()).isTrue();
            assertThat(report.applied()).singleElement().satisfies(each -> {
                assertThat(each.module()).isEqualTo(module);
                assertThat(each.component()).isEqualTo(Component.TRANSFORMER);
                assertThat(each.rank()).isEqualTo(4);
                assertThat(each.scale()).isEqualTo(1);
                assertThat(each.alpha()).isNull();
                assertThat(each.rule()).endsWith("*" + suffixes.get(0));
            });
        }
    }

    @ParameterizedTest
    @CsvSource({
        "lora_unet_all_x_embedder_2-1, all_x_embedder.2-1, 64, 3840",
        "diffusion_model.x_embedder, all_x_embedder.2-1, 64, 3840",
        "diffusion_model.final_layer.adaLN_modulation.1, all_final_layer.2-1.adaLN_modulation.1, 256, 3840",
        "lora_unet_cap_embedder_1, cap_embedder.1, 2560, 3840",
        "lora_unet_t_embedder_mlp_2, t_embedder.mlp.2, 1024, 256",
        "lora_unet_layers_3_adaLN_modulation_0, layers.3.adaLN_modulation.0, 256, 15360",
        "lora_unet_layers_3_feed_forward_w2, layers.3.feed_forward.w2, 10240, 3840"
    })
    void modulesOutsideOfAttention_areFound(String written, String module, int in, int out) throws IOException {
        LoraReport report = report(
                pair(written + ".lora_down.weight", List.of(2, in), written + ".lora_up.weight", List.of(out, 2)));
        assertThat(report.applied()).extracting(LoraReport.Applied::module).containsExactly(module);
    }

    @ParameterizedTest
    @CsvSource({
        "text_encoder.model.layers.3.self_attn.q_proj",
        "text_encoder.layers.3.self_attn.q_proj",
        "text_encoders.qwen3_4b.transformer.model.layers.3.self_attn.q_proj",
        "lora_te_layers_3_self_attn_q_proj",
        "lora_te1_model_layers_3_self_attn_q_proj",
        "base_model.model.model.layers.3.self_attn.q_proj"
    })
    void theTextEncodersNames_areFound(String written) throws IOException {
        LoraReport report = report(
                pair(written + ".lora_A.weight", List.of(2, 2560), written + ".lora_B.weight", List.of(4096, 2)));
        assertThat(report.applied())
                .extracting(LoraReport.Applied::component, LoraReport.Applied::module)
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple(Component.TEXT_ENCODER, "layers.3.self_attn.q_proj"));
    }

    @Test
    void fusedQueriesKeysAndValues_areThreeModules() throws IOException {
        LoraReport report = report(pair(
                "diffusion_model.layers.0.attention.qkv.lora_A.weight",
                List.of(2, 3840),
                "diffusion_model.layers.0.attention.qkv.lora_B.weight",
                List.of(11520, 2)));
        assertThat(report.applied())
                .extracting(LoraReport.Applied::module)
                .containsExactly("layers.0.attention.to_q", "layers.0.attention.to_k", "layers.0.attention.to_v");
    }

    // What other programs drop without a word.
    @Test
    void whatCannotBeApplied_isSaid() throws IOException {
        Map<String, List<Integer>> tensors = pair(
                "layers.0.attention.to_q.lora_A.weight",
                List.of(2, 3840),
                "layers.0.attention.to_q.lora_B.weight",
                List.of(3840, 2));
        tensors.put("layers.99.attention.to_q.lora_A.weight", List.of(2, 3840));
        tensors.put("layers.1.attention.to_q.lora_A.weight", List.of(2, 3840));
        tensors.put("layers.2.attention.to_q.lora_mid.weight", List.of(2, 2));
        tensors.put("layers.3.attention.to_q.alpha", List.of());
        tensors.put("layers.4.attention.to_q.lora_A.weight", List.of(2, 2304));
        tensors.put("layers.4.attention.to_q.lora_B.weight", List.of(2304, 2));
        tensors.put("text_encoder.layers.35.mlp.up_proj.lora_A.weight", List.of(2, 2560));
        tensors.put("text_encoder.layers.35.mlp.up_proj.lora_B.weight", List.of(9728, 2));
        tensors.put("something", List.of(2));
        tensors.put("transformer.layers.0.attention.to_q.lora_A.weight", List.of(2, 3840));
        LoraReport report = report(tensors);
        Map<String, String> reasons = new HashMap<>();
        report.skipped().forEach(each -> reasons.put(each.tensor(), each.reason()));
        assertThat(reasons.get("layers.99.attention.to_q.lora_A.weight")).contains("the model has no module");
        assertThat(reasons.get("layers.1.attention.to_q.lora_A.weight")).contains("missing");
        assertThat(reasons.get("layers.2.attention.to_q.lora_mid.weight")).contains("not supported");
        assertThat(reasons.get("layers.3.attention.to_q.alpha")).contains("no factors");
        assertThat(reasons.get("layers.4.attention.to_q.lora_A.weight")).contains("[3840, 3840]", "[2304, 2304]");
        assertThat(reasons.get("text_encoder.layers.35.mlp.up_proj.lora_A.weight"))
                .contains("does not run");
        assertThat(reasons.get("something")).contains("no part of a LoRA");
        assertThat(reasons.get("transformer.layers.0.attention.to_q.lora_A.weight"))
                .contains("twice");
        assertThat(reasons).as("all but the one that is applied").hasSize(tensors.size() - 2);
        assertThat(report.isComplete()).isFalse();
        assertThat(report.toString()).contains("layers.99");
    }

    @Test
    void anotherModelsLora_isRefusedByName() throws IOException {
        Path narrower = file(pair(
                "layers.0.attention.to_q.lora_A.weight",
                List.of(2, 2304),
                "layers.0.attention.to_q.lora_B.weight",
                List.of(2304, 2)));
        assertThatThrownBy(() -> LoraFile.read(narrower, PUBLISHED))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("another model")
                .hasMessageContaining("[3840, 3840]")
                .hasMessageContaining("[2304, 2304]");
        assertThat(LoraFile.report(narrower).applied()).as("without a model").hasSize(1);
        Path flux = file(pair(
                "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",
                List.of(2, 4),
                "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight",
                List.of(4, 2)));
        assertThatThrownBy(() -> LoraFile.read(flux, PUBLISHED)).hasMessageContaining("FLUX");
        Path other = file(pair("a.lora_A.weight", List.of(2, 4), "a.lora_B.weight", List.of(4, 2)));
        assertThatThrownBy(() -> LoraFile.read(other, PUBLISHED)).hasMessageContaining("has no module \"a\"");
    }

    @Test
    void ranksBeyondTheMatrix_areRefused() throws IOException {
        assertThatThrownBy(() -> report(pair(
                        "t_embedder.mlp.0.lora_A.weight",
                        List.of(1025, 256),
                        "t_embedder.mlp.0.lora_B.weight",
                        List.of(1024, 1025))))
                .hasMessageContaining("the rank must be at most the larger side, 1024, but is 1025");
    }

    @Test
    void biasesOfSecondFactors_areApplied_ifTheyFit() throws IOException {
        Map<String, List<Integer>> tensors = pair(
                "layers.0.attention.to_q.lora_A.weight",
                List.of(2, 3840),
                "layers.0.attention.to_q.lora_B.weight",
                List.of(3840, 2));
        tensors.put("layers.0.attention.to_q.lora_B.bias", List.of(3840));
        LoraReport report = report(tensors);
        assertThat(report.isComplete()).isTrue();
        assertThat(report.applied()).extracting(LoraReport.Applied::kind).containsExactly("LoRA", "difference");
        tensors.put("layers.0.attention.to_k.lora_B.bias", List.of(3840));
        assertThat(report(tensors).skipped())
                .singleElement()
                .satisfies(each -> assertThat(each.reason()).isEqualTo("there are no factors beside it"));
        tensors.put("layers.0.attention.to_q.lora_B.bias", List.of(3841));
        assertThatThrownBy(() -> report(tensors)).hasMessageContaining("each of the 3840 rows of the output");
        tensors.put("layers.0.attention.to_q.lora_B.bias", List.of(3840));
        tensors.put("layers.0.attention.to_q.dora_scale", List.of(3840));
        assertThatThrownBy(() -> report(tensors)).hasMessageContaining("for LoRA without DoRA only");
    }

    // A file from a stranger: whatever is in it, it is read or refused, soon and in one line; and what was accepted can
    // be read.
    @Test
    void mutatedFiles_areReadOrRefused() throws Exception {
        List<Path> originals;
        Path resources = Path.of(Objects.requireNonNull(LoraFileTest.class.getResource("/lora-parity"))
                .toURI());
        try (Stream<Path> files = Files.list(resources)) {
            originals = files.filter(LoraFile::isNamedSo)
                    .filter(file -> !file.endsWith("truth.safetensors"))
                    .sorted()
                    .toList();
        }
        assertThat(originals).hasSizeGreaterThan(20);
        ModelShapes shapes = tiny();
        WeightIndex base = base(shapes);
        Random random = new Random(19);
        int accepted = 0;
        for (int i = 0; i < INPUTS; i++) {
            Path file = Files.write(folder.resolve("mutated.safetensors"), mutated(random, originals));
            try {
                Adapter adapter = LoraFile.read(file, shapes);
                readAll(adapter, base);
                accepted++;
            } catch (ModelLoadException e) {
                assertThat(e.getMessage()).hasSizeLessThan(1000).doesNotContain("\n");
            }
        }
        assertThat(accepted).as("of %d", INPUTS).isBetween(INPUTS / 100, INPUTS * 99 / 100);
    }

    private static byte[] mutated(Random random, List<Path> originals) throws IOException {
        byte[] bytes = Files.readAllBytes(originals.get(random.nextInt(originals.size())));
        long header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        int end = (int) Math.min(bytes.length, 8 + header);
        String text = new String(bytes, 8, end - 8, StandardCharsets.ISO_8859_1);
        List<String[]> swaps = List.of(
                new String[] {"lora_A", "lora_B"},
                new String[] {"lora_down", "hada_w1_a"},
                new String[] {"F32", "BF16"},
                new String[] {"\"shape\":[2,", "\"shape\":[1,2,"},
                new String[] {"alpha", "dora_scale"},
                new String[] {"to_q", "qkv"},
                new String[] {"lokr_w1", "lokr_w2"},
                new String[] {"layers.0", "layers.2"},
                new String[] {"to_k", "to_q"},
                new String[] {".diff", ".diff_b"});
        String[] swap = swaps.get(random.nextInt(swaps.size()));
        if (random.nextBoolean() && swap[0].length() == swap[1].length()) {
            text = text.replace(swap[0], swap[1]);
        } else if (random.nextBoolean()) {
            text = text.replaceFirst(java.util.regex.Pattern.quote(swap[0]), swap[1]);
        }
        byte[] json = text.getBytes(StandardCharsets.ISO_8859_1);
        for (int i = random.nextInt(3); i > 0; i--) {
            json[random.nextInt(json.length)] = (byte) (random.nextInt(96) + 32);
        }
        ByteBuffer result =
                ByteBuffer.allocate(8 + json.length + bytes.length - end).order(ByteOrder.LITTLE_ENDIAN);
        result.putLong(json.length).put(json).put(bytes, end, bytes.length - end);
        return result.array();
    }

    private static ModelShapes tiny() throws URISyntaxException {
        Path model = Path.of(Objects.requireNonNull(LoraFileTest.class.getResource("/parity/case-00/model"))
                .toURI());
        io.github.zimage.internal.weights.Checkpoint checkpoint =
                io.github.zimage.internal.weights.Checkpoint.open(model, null);
        return ModelShapes.of(checkpoint.transformer(), checkpoint.textEncoder());
    }

    private WeightIndex base(ModelShapes shapes) throws URISyntaxException {
        Path model = Path.of(Objects.requireNonNull(LoraFileTest.class.getResource("/parity/case-00/model"))
                .toURI());
        assertThat(shapes.transformer()).isNotEmpty();
        return io.github.zimage.internal.weights.Checkpoint.open(model, null).weights(Component.TRANSFORMER);
    }

    private static void readAll(Adapter adapter, WeightIndex base) throws IOException {
        WeightIndex all = AdapterTensors.of(
                List.of(new AdapterUse(adapter, 0.5, Map.of())), Component.TRANSFORMER, base, weight -> weight);
        try (TensorFiles files = new TensorFiles()) {
            for (TensorEntry each : all.tensors().values()) {
                assertThat(each.byteSize()).isLessThan(4 << 20);
                files.read(each, 0, ByteBuffer.allocate((int) each.byteSize()));
            }
        }
    }

    @Test
    void whatTheFileSaysOfItself_isShownShortened() throws IOException {
        String long1 = "x".repeat(500);
        String json = "{\"__metadata__\":{\"ss_base_model_version\":\"zimage\",\"modelspec.title\":\"" + long1
                + "\\u001b[31m\",\"other\":\"hidden\"},"
                + "\"layers.0.attention.to_q.diff\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}}";
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve("said.safetensors");
        Files.write(
                file,
                ByteBuffer.allocate(8 + bytes.length + 4)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(bytes.length)
                        .put(bytes)
                        .array());
        assertThat(SafetensorsHeader.read(file).metadata()).hasSize(3);
        assertThat(LoraFile.report(file).metadata())
                .containsOnlyKeys("ss_base_model_version", "modelspec.title")
                .allSatisfy(
                        (key, value) -> assertThat(value).hasSizeLessThan(105).doesNotContain("\u001b"));
        assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> LoraFile.read(file, PUBLISHED));
    }
}
