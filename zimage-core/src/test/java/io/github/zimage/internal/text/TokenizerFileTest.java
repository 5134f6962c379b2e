package io.github.zimage.internal.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.ModelLoadException;
import io.github.zimage.prompt.PromptLinter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is refused before native code could end the process over it, and what must be let through. */
class TokenizerFileTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path SOUND = Path.of("src/test/resources/parity/case-01/model/tokenizer/tokenizer.json");

    @TempDir
    Path folder;

    private ObjectNode tokenizer;

    @BeforeEach
    void read() throws IOException {
        tokenizer = (ObjectNode) JSON.readTree(SOUND.toFile());
    }

    /** Some of these end native code, some multiply the text, some only give other tokens than Z-Image was trained on. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '§',
            quoteCharacter = '`',
            value = {
                "normalizer § {'type':'Replace','pattern':{'String':''},'content':'zz'} § normalizer.pattern is not supported and must be absent, but was",
                "normalizer § {'type':'Precompiled'} § normalizer.type must be \"NFC\", but was \"Precompiled\"",
                "normalizer § {'type':'Sequence','normalizers':[{'type':'Prepend','prepend':''}]} § normalizer.normalizers is not supported",
                "normalizer § null § normalizer must be an object, but was absent or null",
                "pre_tokenizer § {'type':'FixedLength','length':0} § pre_tokenizer.type must be \"Sequence\", but was \"FixedLength\"",
                "pre_tokenizer § {'type':'Sequence','pretokenizers':[]} § pre_tokenizer.pretokenizers must be a list of 2, but was",
                "/pre_tokenizer/pretokenizers/0/pattern/Regex § '(x+x+)+y' § pre_tokenizer.pretokenizers[0].pattern.Regex must be \"(?i:'s|'t|'re|'ve|'m|'ll|'d)|",
                "/pre_tokenizer/pretokenizers/0/pattern § {'String':''} § pre_tokenizer.pretokenizers[0].pattern.String is not supported",
                "/pre_tokenizer/pretokenizers/0/behavior § 'Removed' § pre_tokenizer.pretokenizers[0].behavior must be \"Isolated\", but was \"Removed\"",
                "/pre_tokenizer/pretokenizers/0/invert § true § pre_tokenizer.pretokenizers[0].invert must be false, but was true",
                "/pre_tokenizer/pretokenizers/1/add_prefix_space § true § pre_tokenizer.pretokenizers[1].add_prefix_space must be false, but was true",
                "/pre_tokenizer/pretokenizers/1/use_regex § true § pre_tokenizer.pretokenizers[1].use_regex must be false, but was true",
                "post_processor § {'type':'BertProcessing','sep':['a',1],'cls':['b',2]} § post_processor.type must be absent or null or \"ByteLevel\" or \"TemplateProcessing\"",
                "/post_processor/single § [{'SpecialToken':{'id':'<s>','type_id':0}},{'Sequence':{'id':'A','type_id':0}}] § post_processor.single must be a list of 1",
                "decoder § {'type':'WordPiece','prefix':'##','cleanup':true} § decoder.type must be \"ByteLevel\", but was \"WordPiece\"",
                "/model/type § 'Unigram' § model.type must be \"BPE\", but was \"Unigram\"",
                "/model/dropout § 0.5 § model.dropout must be absent or null, but was 0.5",
                "/model/unk_token § '[UNK]' § model.unk_token must be absent or null, but was \"[UNK]\"",
                "/model/continuing_subword_prefix § '######' § model.continuing_subword_prefix must be absent or null or \"\", but was \"######\"",
                "/model/byte_fallback § true § model.byte_fallback must be false, but was true",
                "/model/ignore_merges § true § model.ignore_merges must be false, but was true",
                "/model/surprise § [1] § model.surprise is not supported and must be absent, but was [1]",
                "/model/vocab § {} § model.vocab must have a token for each of the 256 bytes, but has none for \"!\"",
                "/model/vocab § [] § model.vocab must be an object",
                "/model/vocab/the § -1 § model.vocab must give its 320 tokens the ids from 0 on, each once, but \"the\" has -1",
                "/model/vocab/the § 0 § model.vocab must give its 320 tokens the ids from 0 on, each once, but \"the\" has 0",
                "/model/vocab/the § 4294967296 § model.vocab must give \"the\" an integer from 0 on",
                "/model/vocab/the § 1.5 § model.vocab must give \"the\" an integer from 0 on",
                "/model/vocab/ § 320 § model.vocab must have tokens of 1 to 1024 letters, but one has 0: \"\"",
                "/model/vocab/a b § 320 § model.vocab must be written in the letters of byte-level BPE, but \"a b\" is not",
                "/model/merges § {} § model.merges must be a list",
                "/model/merges/0 § ['h'] § model.merges[0] must be two texts",
                "/model/merges/0 § 'h e y' § model.merges[0] must be two tokens with a blank between them",
                "/model/merges/0 § ['h','z'] § model.merges[0] must make a token of two, but \"hz\" is not in the vocabulary",
                "/model/merges/1 § ['h','e'] § model.merges[1] is there already: \"h\" and \"e\"",
                "/added_tokens/0/id § 7 § added_tokens must go on with the vocabulary's ids, which gives \"<|endoftext|>\" the id 320, but it has 7",
                "/added_tokens/0/id § -1 § added_tokens[0].id must be an integer from 0 to 2147483647, but was -1",
                "/added_tokens/0/content § '' § added_tokens[0].content must be a text of 1 to 256 characters, but was \"\"",
                "/added_tokens/0/content § '<|im_end|>' § added_tokens has \"<|im_end|>\" twice",
                "/added_tokens/1/content § 'x' § added_tokens must go on with the vocabulary's ids, which gives \"x\" the id",
                "/added_tokens/0/lstrip § true § added_tokens[0].lstrip must be absent or null or false, but was true",
                "/added_tokens/0/special § 'yes' § added_tokens[0].special must be true or false, but was \"yes\"",
                "/added_tokens/0/more § 1 § added_tokens[0].more is not supported",
                "added_tokens § [] § added_tokens must have \"<|im_start|>\", which stands in Z-Image's chat template, but has not",
                "added_tokens § {} § added_tokens must be a list",
                "version § '2.0' § version must be \"1.0\", but was \"2.0\"",
                "surprise § 1 § \"surprise\" is not supported and must be absent",
            })
    void whatThisKindOfTokenizerHasNot_isRefusedByName(String place, String value, String message) throws IOException {
        set(place, JSON.readTree(value.replace('\'', '"').replace("(?i:\"s", "")));

        assertThatThrownBy(() -> load(tokenizer.toString()))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith("tokenizer/tokenizer.json: " + message)
                .hasMessageNotContaining("\n");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "`` | must be a JSON object",
                "[] | must be a JSON object",
                "{\"version\": | not sound JSON: Unexpected end-of-input",
                "{\"version\":\"1.0\",\"version\":\"1.0\"} | has \"version\" twice",
                "{\"version\":\"1.0\"} | normalizer must be there, but is absent",
                "{\"normalizer\":{\"type\":\"NFC\",\"type\":\"NFC\"}} | normalizer has \"type\" twice",
                "{\"model\":{\"vocab\":{\"a\":0,\"a\":1}}} | model.vocab has \"a\" twice",
                "{\"model\":{\"type\":\"BPE\"}} | model.vocab must be there, but is absent",
            })
    void damagedText_isRefused(String text, String message) {
        assertThatThrownBy(() -> load(text))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith("tokenizer/tokenizer.json: " + message);
    }

    /** As an escape, half a character is sound JSON. */
    @Test
    void halfACharacter_isNoToken() {
        assertThatThrownBy(() -> load(tokenizer.toString().replace("<|endoftext|>", "\\ud800")))
                .isInstanceOf(ModelLoadException.class)
                .hasMessage(
                        "tokenizer/tokenizer.json: added_tokens[0].content must be a text of 1 to 256 characters, but was"
                                + " \"\uFFFD\"");
    }

    @Test
    void whatIsTooLarge_isRefusedByALimitOfOurs() {
        refused(
                t -> t.replace("normalizer", JSON.createArrayNode()),
                "[".repeat(100_000),
                "must not be nested deeper than 32 levels");
        ArrayNode many = tokenizer.putArray("added_tokens");
        for (int i = 0; i <= 10_000; i++) {
            many.addObject()
                    .put("id", 320 + i)
                    .put("content", "t" + i)
                    .put("normalized", false)
                    .put("special", true);
        }
        assertThatThrownBy(() -> load(tokenizer.toString()))
                .hasMessage("tokenizer/tokenizer.json: added_tokens must have at most 10000 entries, but has more");
        many.removeAll();
        tokenizer.putObject("normalizer").set("type", JSON.valueToTree(List.of(new int[200])));
        assertThatThrownBy(() -> load(tokenizer.toString()))
                .hasMessage(
                        "tokenizer/tokenizer.json: normalizer must have at most 100 values, but has more: not supported");
    }

    private void refused(Consumer<ObjectNode> change, String insteadOfArray, String message) {
        change.accept(tokenizer);
        assertThatThrownBy(() ->
                        load(tokenizer.toString().replace("\"normalizer\":[]", "\"normalizer\":" + insteadOfArray)))
                .isInstanceOf(ModelLoadException.class)
                .hasMessage("tokenizer/tokenizer.json: " + message);
    }

    @Test
    void messagesShowAtMostAHundredCharactersOfTheFile() throws IOException {
        String secret = "z".repeat(5_000);
        for (Map.Entry<String, JsonNode> place : Map.<String, JsonNode>of(
                        secret,
                        JSON.valueToTree(1),
                        "version",
                        JSON.valueToTree(secret),
                        "/model/vocab/" + secret,
                        JSON.valueToTree(320),
                        "/model/" + secret,
                        JSON.valueToTree(secret),
                        "/model/dropout",
                        JSON.valueToTree(List.of(secret, secret)),
                        "/normalizer/" + secret,
                        JSON.valueToTree(Map.of(secret, 1)),
                        "/model/merges/0",
                        JSON.valueToTree(secret + " " + secret),
                        "/added_tokens/0/content",
                        JSON.valueToTree(secret))
                .entrySet()) {
            read();
            set(place.getKey(), place.getValue());
            assertThatThrownBy(() -> load(tokenizer.toString()))
                    .isInstanceOf(ModelLoadException.class)
                    .hasMessageNotContaining("z".repeat(101))
                    .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(400));
        }
        assertThatThrownBy(() -> load("{\"version\": " + secret + "}")).hasMessageNotContaining("z".repeat(101));
    }

    @Test
    void whatDoesNotChangeTokens_isLetThrough() throws IOException {
        int[] expected = encode(tokenizer.toString());

        set(
                "truncation",
                JSON.readTree("{\"max_length\":3,\"strategy\":\"LongestFirst\",\"direction\":\"Right\",\"stride\":0}"));
        set("padding", JSON.readTree("{\"strategy\":{\"Fixed\":50},\"pad_id\":0}"));
        set("post_processor", null);
        set("decoder", null);
        set("/model/continuing_subword_prefix", JSON.valueToTree(""));
        ArrayNode merges = (ArrayNode) tokenizer.at("/model/merges");
        for (int i = 0; i < merges.size(); i++) { // as older files have them
            merges.set(
                    i,
                    merges.get(i).get(0).asText() + " " + merges.get(i).get(1).asText());
        }
        ((ArrayNode) tokenizer.get("added_tokens"))
                .addObject()
                .put("id", 323)
                .put("content", "<mine>")
                .put("normalized", true)
                .put("special", false);

        assertThat(encode(tokenizer.toString())).isEqualTo(expected);
    }

    @Test
    void aPromptIsRefusedByItsCharacters_beforeItIsCounted() throws IOException {
        try (PromptTokenizer sound = PromptTokenizer.load(SOUND)) {
            String blanks = " ".repeat(12_000_000) + "x";
            String message = "prompt must have at most 65536 characters, but has 12000001: shorten it";
            assertThatThrownBy(() -> sound.encodePrompt(blanks))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(message);
            assertThatThrownBy(() -> sound.encode(blanks))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(message);

            assertThat(sound.encodePrompt(" ".repeat(PromptLinter.MAX_CHARACTERS - 1) + "x"))
                    .hasSizeGreaterThan(1000);
            assertThatThrownBy(() -> sound.encodePrompt(" ".repeat(PromptLinter.MAX_CHARACTERS + 1)))
                    .hasMessage("prompt must have at most 65536 characters, but has 65537: shorten it");
        }
    }

    private int[] encode(String json) throws IOException {
        try (PromptTokenizer loaded = load(json)) {
            return loaded.encodePrompt("the quick fox, 3 times; " + "then ".repeat(2000));
        }
    }

    private PromptTokenizer load(String json) throws IOException {
        Path file = Files.createDirectories(folder.resolve("tokenizer")).resolve("tokenizer.json");
        Files.write(file, json.getBytes(StandardCharsets.UTF_8));
        return PromptTokenizer.load(file);
    }

    /** Sets the value under a key, or at a place such as {@code /model/merges/0}. */
    private void set(String place, JsonNode value) {
        if (!place.startsWith("/")) {
            tokenizer.set(place, value);
            return;
        }
        int last = place.lastIndexOf('/');
        JsonNode parent = tokenizer.at(place.substring(0, last));
        if (parent instanceof ArrayNode array) {
            array.set(Integer.parseInt(place.substring(last + 1)), value);
        } else {
            ((ObjectNode) parent).set(place.substring(last + 1), value);
        }
    }
}
