package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.safetensors.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects which of a folder's files are taken, and that an index cannot lead astray. */
class WeightIndexTest {
    private static final String STEM = "diffusion_pytorch_model";

    @TempDir
    Path parent;

    private Path folder;

    @BeforeEach
    void makeFolder() throws IOException {
        folder = Files.createDirectory(parent.resolve("transformer"));
    }

    private void single(String name, String... tensors) throws IOException {
        Safetensors.pairs(folder.resolve(name), tensors);
    }

    private void index(String name, String weightMap) throws IOException {
        Files.writeString(
                folder.resolve(name),
                "{\"metadata\":{\"total_size\":1},\"weight_map\":" + weightMap.replace('\'', '"') + "}");
    }

    private String opened(String stem, @Nullable String variant) {
        return String.join(
                ",", WeightFiles.open(folder, stem, variant).tensors().keySet());
    }

    private void assertRefused(@Nullable String variant, String message) {
        assertThatThrownBy(() -> WeightFiles.open(folder, STEM, variant))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining(message)
                .message()
                .hasLineCount(1);
    }

    @Test
    void shards_areTiedTogetherInTheOrderOfTheIndex() throws IOException {
        single("one.safetensors", "a", "b", "unlisted");
        single("two.safetensors", "c");
        index(STEM + ".safetensors.index.json", "{'c':'two.safetensors','b':'one.safetensors','a':'one.safetensors'}");

        WeightIndex index = WeightFiles.open(folder, STEM, null);

        assertThat(index.tensors().keySet()).containsExactly("c", "b", "a");
        assertThat(index.files()).containsExactly(folder.resolve("two.safetensors"), folder.resolve("one.safetensors"));
        assertThat(index.byteSize()).isEqualTo(24);
        assertThat(index.get("a").file()).isEqualTo(folder.resolve("one.safetensors"));
        assertThatThrownBy(() -> index.get("x"))
                .isInstanceOf(ModelLoadException.class)
                .hasMessage("transformer: tensor \"x\" is missing");
    }

    @ParameterizedTest
    @CsvSource({
        "diffusion_pytorch_model.bf16.safetensors,",
        "diffusion_pytorch_model.safetensors.index.bf16.json,shard",
        "diffusion_pytorch_model.bf16.safetensors.index.json,shard",
        "diffusion_pytorch_model.safetensors.bf16.index.json,shard"
    })
    void variant_isFoundUnderAllItsNames(String name, @Nullable String shard) throws IOException {
        if (shard == null) {
            single(name, "variant");
        } else {
            single("shard.bf16-00001-of-00001.safetensors", "variant");
            index(name, "{'variant':'shard.bf16-00001-of-00001.safetensors'}");
        }
        assertThat(opened(STEM, null)).as("the only one is taken").isEqualTo("variant");
        assertThat(WeightFiles.hasVariant(folder, STEM, "bf16")).isTrue();
        assertThat(WeightFiles.hasVariant(folder, STEM, "fp16")).isFalse();
        single(STEM + ".safetensors", "plain");
        assertThat(opened(STEM, "bf16")).isEqualTo("variant");
        assertThat(opened(STEM, null)).isEqualTo("plain");
        assertThat(opened(STEM, "fp16")).as("missing variant falls back").isEqualTo("plain");
    }

    @Test
    void singleFileAndIndex_precedeEachOtherAsInTheirLibrary() throws IOException {
        for (String stem : List.of(STEM, "model")) {
            single(stem + ".safetensors", "single");
            single("shard.safetensors", "sharded");
            index(stem + ".safetensors.index.json", "{'sharded':'shard.safetensors'}");
        }
        assertThat(opened(STEM, null)).isEqualTo("sharded");
        assertThat(opened("model", null)).isEqualTo("single");
    }

    @Test
    void severalVariants_needAChoice() throws IOException {
        single(STEM + ".fp16.safetensors", "a");
        single(STEM + ".bf16.safetensors", "a");
        assertRefused(null, "holds several variants, of which one must be chosen: bf16, fp16");
        assertRefused("int8", "holds several variants");
    }

    @Test
    void foldersWithoutUsableWeights_areToldApart() throws IOException {
        assertRefused(
                null,
                "transformer: must hold diffusion_pytorch_model.safetensors or"
                        + " diffusion_pytorch_model.safetensors.index.json, but holds nothing");
        Files.writeString(folder.resolve("config.json"), "{}");
        assertRefused(null, "but holds neither");
        Files.writeString(folder.resolve(STEM + ".bin"), "x");
        assertRefused(null, "but holds only PyTorch files, which are Python pickles: convert them");
        single(STEM + "-00001-of-00002.safetensors", "a");
        assertRefused(null, "but holds only parts of sharded weights, without their index");
        assertThatThrownBy(() -> WeightFiles.open(parent.resolve("none"), STEM, null))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageEndingWith("none: the folder is missing");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "../x", "a/b", "a b", "a.b", "é"})
    void variantThatCannotBeAName_isABadArgument(String variant) {
        assertThatThrownBy(() -> WeightFiles.open(folder, STEM, variant))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("variant must consist of letters, digits, '_' and '-', but was ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../x.safetensors",
                "/etc/x.safetensors",
                "a/b.safetensors",
                "a\\\\b.safetensors",
                "C:x.safetensors",
                "x.bin",
                "",
                ".safetensors",
                "\\u0000.safetensors",
                "..",
                "x.safetensors/"
            })
    void shardOutsideTheFolder_isRefused(String name) throws IOException {
        Safetensors.pairs(parent.resolve("x.safetensors"), "a");
        index(STEM + ".safetensors.index.json", "{'a':'" + name + "'}");
        assertRefused(null, "weight_map must name .safetensors files in the same folder, but names ");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'weight_map':{'a':'gone.safetensors'}}|gone.safetensors: the file is missing",
                "{'weight_map':{'a':1}}|weight_map must give a file's name for 'a', but does not",
                "{'weight_map':[]}|weight_map must be an object, but is not",
                "{'weight_map':{}}|must have a weight_map, but it is empty",
                "{'metadata':{}}|must have a weight_map, but it is absent",
                "[]|must be a JSON object, but is not",
                "{}x|not sound JSON: ",
                "{'weight_map':{'a':'shard.safetensors','a':'shard.safetensors'}}|Duplicate field 'a'",
                "{'weight_map':{|not sound JSON: Unexpected end-of-input",
            })
    void damagedIndex_isRefused(String text, String message) throws IOException {
        single("shard.safetensors", "a");
        Files.writeString(folder.resolve(STEM + ".safetensors.index.json"), text.replace('\'', '"'));
        String expected =
                message.startsWith("tensor") || message.contains("for 'a'") ? message.replace('\'', '"') : message;
        assertRefused(null, expected.replace("file\"s", "file's"));
    }

    // As for diffusers, which loads what the shards hold and then asks for what it needs.
    @Test
    void tensorThatIsNotInItsShard_isRefusedIfItIsNeeded() throws IOException {
        single("shard.safetensors", "a");
        index(STEM + ".safetensors.index.json", "{'a':'shard.safetensors','x':'shard.safetensors'}");
        WeightIndex index = WeightFiles.open(folder, STEM, null).renamed(name -> "model." + name);
        index.check(Map.of("model.a", List.of(2L)));
        assertThatThrownBy(() -> index.check(Map.of("model.x", List.of(2L))))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageEndingWith(": tensor \"x\" must be in \"shard.safetensors\", but is not");
    }

    @Test
    void whatAnIndexSaysBesideItsMap_mayBeAnythingThatPythonReads() throws IOException {
        single("shard.safetensors", "a");
        Files.writeString(
                folder.resolve(STEM + ".safetensors.index.json"),
                "{\"metadata\":{\"loss\":NaN,\"x\":" + "[".repeat(100) + "]".repeat(100)
                        + ",\"x\":2},\"weight_map\":{\"a\":\"shard.safetensors\"}}");
        assertThat(opened(STEM, null)).isEqualTo("a");
    }

    @Test
    void linksToWhatIsMissing_areNamedWithTheirTarget() throws IOException {
        Path blob = parent.resolve("blobs/0123");
        Files.createSymbolicLink(folder.resolve(STEM + ".safetensors"), Path.of("../blobs/0123"));
        assertRefused(
                null,
                "transformer/" + STEM + ".safetensors: is a link to " + blob
                        + ", which is missing. Either the download is not complete");
        Files.delete(folder.resolve(STEM + ".safetensors"));
        Files.createSymbolicLink(folder.resolve("shard.safetensors"), Path.of("../blobs/0123"));
        index(STEM + ".safetensors.index.json", "{'a':'shard.safetensors'}");
        assertRefused(null, "shard.safetensors: is a link to " + blob);
    }

    /** Skipped parts of the index must not fill the memory. */
    @Test
    void indexThatIsTooLarge_isRefused() throws IOException {
        StringBuilder keys = new StringBuilder("{\"junk\":{\"k\":0");
        for (int i = 0; i < 600_000; i++) {
            keys.append(",\"").append(i).append("\":0");
        }
        Path file = Files.writeString(folder.resolve(STEM + ".safetensors.index.json"), keys + "}}");
        assertRefused(null, "must have a weight_map, but it is absent");
        Files.writeString(file, " ".repeat(16_000_001));
        assertRefused(null, "zimage reads indices of at most 16000000 bytes, but this has 16000001");
    }

    @Test
    void check_namesTheFirstProblemsAndCountsTheRest() throws IOException {
        Safetensors.write(folder.resolve(STEM + ".safetensors"), """
                {"good":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},\
                "half":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},\
                "int":{"dtype":"I32","shape":[1],"data_offsets":[8,12]},"extra":{"dtype":"U8","shape":[0],"data_offsets":[12,12]}}""", 12);
        WeightIndex index = WeightFiles.open(folder, STEM, null);
        index.check(Map.of("good", List.of(1L), "half", List.of(2L)));

        Map<String, List<Long>> expected = new LinkedHashMap<>();
        expected.put("good", List.of(1L, 1L));
        expected.put("int", List.of(1L));
        List.of("m1", "m2", "m3", "m4", "m5").forEach(name -> expected.put(name, List.of(1L)));
        assertThatThrownBy(() -> index.check(expected))
                .isInstanceOf(ModelLoadException.class)
                .hasMessage(
                        "transformer: the weights do not fit the configuration: good must have shape [1, 1], but has [1];"
                                + " int must be stored as F32, F16 or BF16, but is I32; m1 is missing; m2 is missing;"
                                + " m3 is missing; and 2 more");
    }

    @Test
    void renaming_mustNotMergeTensors() throws IOException {
        single(STEM + ".safetensors", "model.a", "a");
        WeightIndex index = WeightFiles.open(folder, STEM, null);
        assertThat(index.renamed(name -> "x." + name).get("x.a").name()).isEqualTo("x.a");
        assertThatThrownBy(() -> index.renamed(name -> name.replace("model.", "")))
                .isInstanceOf(ModelLoadException.class)
                .hasMessage("transformer: tensor \"a\" is there twice, under an old and a new name");
    }

    @Test
    void oldVaeAttention_isReadUnderTodaysNamesAndShapes() throws IOException {
        String old = "decoder.mid_block.attentions.0.";
        Safetensors.write(folder.resolve(STEM + ".safetensors"), """
                {"%1$squery.weight":{"dtype":"F32","shape":[1,2,1,1],"data_offsets":[0,8]},\
                "%1$skey.bias":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},\
                "%1$svalue.bias":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},\
                "%1$sproj_attn.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[16,20]},\
                "%1$sgroup_norm.weight":{"dtype":"F32","shape":[1],"data_offsets":[20,24]},\
                "decoder.conv_in.weight":{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[24,28]}}""".formatted(old), 28);
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        Checkpoint.modernized(WeightFiles.open(folder, STEM, null))
                .tensors()
                .forEach((name, tensor) -> shapes.put(name, tensor.shape()));
        assertThat(shapes)
                .isEqualTo(Map.of(
                        old + "to_q.weight",
                        List.of(1L, 2L),
                        old + "to_k.bias",
                        List.of(1L),
                        old + "to_v.bias",
                        List.of(1L),
                        old + "to_out.0.weight",
                        List.of(1L, 1L),
                        old + "group_norm.weight",
                        List.of(1L),
                        "decoder.conv_in.weight",
                        List.of(1L, 1L, 1L, 1L)));
    }
}
