package io.github.zimage.internal.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A {@code tokenizer.json} of Qwen's kind, checked: NFC, Qwen's expression to split by, byte-level BPE, and added tokens.
 *
 * <p>The native code that tokenizes cannot be trusted with a file from elsewhere. It ends the process at an expression that
 * it cannot match, at a piece of no length or at an empty table; so anything that this kind does not need is refused here, and
 * native code reads what {@link #json()} writes anew, never the file.
 */
final class TokenizerFile {
    private static final int MAX_BYTES = 100_000_000;
    private static final int MAX_NESTING = 32;
    private static final int MAX_ADDED_TOKENS = 10_000;
    private static final int MAX_ADDED_LENGTH = 256;

    /** How Qwen2 and Qwen3 cut a text into pieces, within which tokens are merged. */
    private static final String SPLIT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** Of the chat template; without them, it would be read as plain text. */
    private static final List<String> NEEDED = List.of("<|im_start|>", "<|im_end|>");

    /** Only nesting is limited here: of other things, the limits are our own, and so is what is said about them. */
    private static final JsonFactory JSON = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    .maxStringLength(MAX_BYTES)
                    .maxNameLength(MAX_BYTES)
                    .maxNumberLength(MAX_BYTES)
                    .build())
            .build();

    private record AddedToken(int id, String content, boolean normalized, boolean special) {}

    private final String name;
    private final List<AddedToken> added = new ArrayList<>();
    private @Nullable BpeVocabulary model;

    private TokenizerFile(String name) {
        this.name = name;
    }

    /**
     * Reads and checks a file.
     *
     * @throws ModelLoadException if it is missing, unreadable, damaged, or not of this kind
     */
    static TokenizerFile read(Path path) {
        String name = ModelFile.name(path);
        long size = ModelFile.size(path);
        if (size > MAX_BYTES) {
            throw new ModelLoadException(
                    "%s: a tokenizer must have at most %d bytes, but this has %d".formatted(name, MAX_BYTES, size));
        }
        TokenizerFile file = new TokenizerFile(name);
        try (InputStream in = Files.newInputStream(path);
                Reader text = new InputStreamReader(
                        in,
                        StandardCharsets.UTF_8
                                .newDecoder()
                                .onMalformedInput(CodingErrorAction.REPORT)
                                .onUnmappableCharacter(CodingErrorAction.REPORT));
                JsonParser parser = JSON.createParser(text)) {
            file.readAll(parser);
        } catch (StreamConstraintsException e) {
            throw new ModelLoadException(
                    "%s: must not be nested deeper than %d levels".formatted(name, MAX_NESTING), e);
        } catch (JsonProcessingException e) {
            throw new ModelLoadException("%s: not sound JSON: %s".formatted(name, ModelFile.reason(e)), e);
        } catch (CharacterCodingException e) {
            throw new ModelLoadException("%s: must be UTF-8 text, but is not".formatted(name), e);
        } catch (IOException e) {
            throw ModelFile.unreadable(path, e);
        }
        file.checkAddedTokens();
        return file;
    }

    private void readAll(JsonParser parser) throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw new ModelLoadException("%s: must be a JSON object".formatted(name));
        }
        Set<String> seen = new HashSet<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            if (!seen.add(key)) {
                throw new ModelLoadException("%s: has %s twice".formatted(name, ModelFile.quote(key)));
            }
            readSection(key, parser);
        }
        for (String key : List.of("normalizer", "pre_tokenizer", "model", "added_tokens")) {
            if (!seen.contains(key)) {
                throw new ModelLoadException("%s: %s must be there, but is absent".formatted(name, key));
            }
        }
        if (parser.nextToken() != null) {
            throw new ModelLoadException("%s: must be one JSON object, but more follows it".formatted(name));
        }
    }

    private void readSection(String key, JsonParser parser) throws IOException {
        switch (key) {
            case "model" -> model = BpeVocabulary.read(name, parser);
            case "added_tokens" -> readAddedTokens(parser);
            case "normalizer" -> checkNormalizer(section(key, parser));
            case "pre_tokenizer" -> checkPreTokenizer(section(key, parser));
            case "post_processor" -> checkPostProcessor(section(key, parser));
            case "decoder" -> checkDecoder(section(key, parser));
            case "version" -> section(key, parser).only("1.0");
            case "truncation", "padding" ->
                parser.skipChildren(); // as last used by whoever saved the file; prompts have neither
            default ->
                throw new ModelLoadException(
                        "%s: %s is not supported and must be absent".formatted(name, ModelFile.quote(key)));
        }
    }

    private TokenizerSection section(String key, JsonParser parser) throws IOException {
        return TokenizerSection.read(name, key, parser);
    }

    private static void checkNormalizer(TokenizerSection normalizer) {
        normalizer.onlyKeys("type");
        normalizer.at("type").only("NFC");
    }

    private static void checkPreTokenizer(TokenizerSection sequence) {
        sequence.at("type").only("Sequence");
        sequence.onlyKeys("type", "pretokenizers");
        List<TokenizerSection> parts = sequence.at("pretokenizers").entries(2);
        TokenizerSection split = parts.get(0);
        split.at("type").only("Split");
        split.onlyKeys("type", "pattern", "behavior", "invert");
        split.at("pattern").onlyKeys("Regex");
        split.at("pattern").at("Regex").only(SPLIT);
        split.at("behavior").only("Isolated");
        split.at("invert").only(false);
        TokenizerSection bytes = parts.get(1);
        checkByteLevel(bytes);
        bytes.at("add_prefix_space").only(false);
        bytes.at("use_regex").only(false);
    }

    private static void checkByteLevel(TokenizerSection section) {
        section.at("type").only("ByteLevel");
        section.onlyKeys("type", "add_prefix_space", "trim_offsets", "use_regex");
        for (String key : List.of("add_prefix_space", "trim_offsets", "use_regex")) {
            section.at(key).only(null, true, false);
        }
    }

    /** What comes after tokenizing must add no tokens. Places in the text, which it may move, are not asked for. */
    private static void checkPostProcessor(TokenizerSection section) {
        if (section.isNull() || section.at("type").is("ByteLevel")) {
            return;
        }
        section.at("type").only(null, "ByteLevel", "TemplateProcessing");
        section.onlyKeys("type", "single", "pair", "special_tokens");
        TokenizerSection only = section.at("single").entries(1).get(0);
        only.onlyKeys("Sequence");
        only.at("Sequence").onlyKeys("id", "type_id");
        only.at("Sequence").at("id").only("A");
        section.at("special_tokens").onlyKeys();
    }

    private static void checkDecoder(TokenizerSection section) {
        if (!section.isNull()) {
            checkByteLevel(section);
        }
    }

    private void readAddedTokens(JsonParser parser) throws IOException {
        if (!parser.hasToken(JsonToken.START_ARRAY)) {
            throw new ModelLoadException("%s: added_tokens must be a list".formatted(name));
        }
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (added.size() == MAX_ADDED_TOKENS) {
                throw new ModelLoadException("%s: added_tokens must have at most %d entries, but has more"
                        .formatted(name, MAX_ADDED_TOKENS));
            }
            added.add(addedToken(section("added_tokens[%d]".formatted(added.size()), parser)));
        }
    }

    private static AddedToken addedToken(TokenizerSection token) {
        token.onlyKeys("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special");
        token.at("single_word").only(null, false);
        token.at("lstrip").only(null, false);
        token.at("rstrip").only(null, false);
        String content = token.at("content").text();
        boolean wellFormed = content.codePoints().noneMatch(c -> Character.getType(c) == Character.SURROGATE);
        if (content.isEmpty() || content.length() > MAX_ADDED_LENGTH || !wellFormed) {
            throw token.at("content").wrong("must be a text of 1 to %d characters".formatted(MAX_ADDED_LENGTH));
        }
        int id = token.at("id").integer(0, Integer.MAX_VALUE);
        return new AddedToken(
                id, content, token.at("normalized").flag(), token.at("special").flag());
    }

    /** Native code numbers added tokens itself: one after the other, behind the vocabulary. The file must say the same. */
    private void checkAddedTokens() {
        BpeVocabulary vocabulary = model();
        Set<String> seen = new HashSet<>();
        int next = vocabulary.size();
        for (AddedToken token : added) {
            String quoted = ModelFile.quote(token.content);
            if (!seen.add(token.content)) {
                throw new ModelLoadException("%s: added_tokens has %s twice".formatted(name, quoted));
            }
            Integer known = vocabulary.id(token.content);
            int expected = known != null ? known : next++;
            if (token.id != expected) {
                throw new ModelLoadException(
                        "%s: added_tokens must go on with the vocabulary's ids, which gives %s the id %d, but it has %d"
                                .formatted(name, quoted, expected, token.id));
            }
        }
        for (String needed : NEEDED) {
            if (!seen.contains(needed)) {
                throw new ModelLoadException(
                        "%s: added_tokens must have %s, which stands in Z-Image's chat template, but has not"
                                .formatted(name, ModelFile.quote(needed)));
            }
        }
    }

    private BpeVocabulary model() {
        if (model == null) {
            throw new IllegalStateException("not read");
        }
        return model;
    }

    /** Returns the tokenizer as JSON for native code: what was checked, and nothing else. */
    InputStream json() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("version", "1.0");
            json.writeArrayFieldStart("added_tokens");
            for (AddedToken token : added) {
                write(token, json);
            }
            json.writeEndArray();
            json.writeObjectFieldStart("normalizer");
            json.writeStringField("type", "NFC");
            json.writeEndObject();
            writePreTokenizer(json);
            json.writeFieldName("model");
            model().write(json);
            json.writeEndObject();
        } catch (IOException e) {
            throw new IllegalStateException("memory cannot be written to", e);
        }
        return new ByteArrayInputStream(bytes.toByteArray());
    }

    private static void write(AddedToken token, JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeNumberField("id", token.id);
        json.writeStringField("content", token.content);
        for (String flag : List.of("single_word", "lstrip", "rstrip")) {
            json.writeBooleanField(flag, false);
        }
        json.writeBooleanField("normalized", token.normalized);
        json.writeBooleanField("special", token.special);
        json.writeEndObject();
    }

    private static void writePreTokenizer(JsonGenerator json) throws IOException {
        json.writeObjectFieldStart("pre_tokenizer");
        json.writeStringField("type", "Sequence");
        json.writeArrayFieldStart("pretokenizers");
        json.writeStartObject();
        json.writeStringField("type", "Split");
        json.writeObjectFieldStart("pattern");
        json.writeStringField("Regex", SPLIT);
        json.writeEndObject();
        json.writeStringField("behavior", "Isolated");
        json.writeBooleanField("invert", false);
        json.writeEndObject();
        json.writeStartObject();
        json.writeStringField("type", "ByteLevel");
        for (String flag : List.of("add_prefix_space", "trim_offsets", "use_regex")) {
            json.writeBooleanField(flag, false);
        }
        json.writeEndObject();
        json.writeEndArray();
        json.writeEndObject();
    }
}
