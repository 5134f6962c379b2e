package io.github.zimage.serve;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.internal.io.ShownText;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Iterator;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The fields of a request's JSON, each checked when it is read. Those that nobody asked for are refused. */
final class JsonFields {
    private static final int SHOWN = 40;
    private static final int MAX_TEXT = 1 << 20;
    private static final int MAX_PICTURE_TEXT = 1 << 26;
    private static final ObjectMapper MAPPER = mapper(MAX_TEXT);
    private static final ObjectMapper WITH_PICTURES = mapper(MAX_PICTURE_TEXT);

    private final JsonNode root;
    private final Set<String> known = new TreeSet<>();
    private final Set<String> ignored = new TreeSet<>();

    private static ObjectMapper mapper(int maxText) {
        return new ObjectMapper(JsonFactory.builder()
                        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                        .streamReadConstraints(StreamReadConstraints.builder()
                                .maxNestingDepth(8)
                                .maxStringLength(maxText)
                                .maxNumberLength(40)
                                .build())
                        .build())
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    }

    private JsonFields(JsonNode root) {
        this.root = root;
    }

    /**
     * Reads a JSON object.
     *
     * @throws ApiException if it is not one
     */
    static JsonFields parse(byte[] body) {
        return parse(body, MAPPER);
    }

    /** As {@link #parse(byte[])}, with texts that may hold pictures. */
    static JsonFields parseWithPictures(byte[] body) {
        return parse(body, WITH_PICTURES);
    }

    /** Returns fields that came in another form. */
    static JsonFields of(ObjectNode fields) {
        return new JsonFields(fields);
    }

    private static JsonFields parse(byte[] body, ObjectMapper mapper) {
        JsonNode root;
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(body))
                    .toString();
            root = mapper.readTree(text);
        } catch (CharacterCodingException e) {
            throw new ApiException(400, "invalid_json", "the body must be UTF-8");
        } catch (JsonProcessingException e) {
            throw new ApiException(400, "invalid_json", "the body must be JSON: " + shown(e.getOriginalMessage(), 200));
        }
        if (!root.isObject()) {
            throw new ApiException(400, "invalid_json", "the body must be a JSON object");
        }
        return new JsonFields(root);
    }

    private @Nullable JsonNode get(String name) {
        known.add(name);
        JsonNode value = root.get(name);
        return value == null || value.isNull() ? null : value;
    }

    /** Returns a field's value, or null, without asking for it. */
    @Nullable
    JsonNode peek(String name) {
        return root.get(name);
    }

    /** Puts another value in place of one that came. */
    void replace(String name, JsonNode value) {
        ((ObjectNode) root).set(name, value);
    }

    /** Returns a field's value as it came, or null. */
    @Nullable
    JsonNode value(String name) {
        return get(name);
    }

    boolean has(String name) {
        return get(name) != null;
    }

    @Nullable
    String text(String name, int maxLength) {
        JsonNode value = get(name);
        if (value == null) {
            return null;
        }
        if (!value.isTextual()) {
            throw wrong(name, "a text", value);
        }
        String text = value.textValue();
        if (text.length() > maxLength) {
            throw ApiException.badParameter(
                    name, "%s must have at most %d characters, but has %d".formatted(name, maxLength, text.length()));
        }
        requireWellFormed(name, text);
        return text;
    }

    /** @throws ApiException if a text holds half of a character */
    static void requireWellFormed(String name, String text) {
        if (text.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
            throw ApiException.badParameter(name, name + " must not contain half of a surrogate pair");
        }
    }

    @Nullable
    Long integer(String name, long min, long max) {
        JsonNode value = get(name);
        if (value == null) {
            return null;
        }
        if (!value.isIntegralNumber()
                || !value.canConvertToLong()
                || value.longValue() < min
                || value.longValue() > max) {
            throw wrong(name, "a whole number from %d to %d".formatted(min, max), value);
        }
        return value.longValue();
    }

    int integer(String name, int min, int max, int otherwise) {
        Long value = integer(name, (long) min, max);
        return value == null ? otherwise : Math.toIntExact(value);
    }

    double number(String name, double min, double max, double otherwise) {
        JsonNode value = get(name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isNumber() || !(value.doubleValue() >= min && value.doubleValue() <= max)) {
            throw wrong(name, "a number from %s to %s".formatted(min, max), value);
        }
        return value.doubleValue();
    }

    boolean flag(String name, boolean otherwise) {
        JsonNode value = get(name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isBoolean()) {
            throw wrong(name, "true or false", value);
        }
        return value.booleanValue();
    }

    String choice(String name, String otherwise, Set<String> choices) {
        JsonNode value = get(name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isTextual() || !choices.contains(value.textValue())) {
            throw wrong(name, "one of " + String.join(", ", new TreeSet<>(choices)), value);
        }
        return value.textValue();
    }

    /** Returns the fields that nobody asked for yet. */
    ObjectNode others() {
        ObjectNode others = MAPPER.createObjectNode();
        root.properties().forEach(field -> {
            if (!known.contains(field.getKey())) {
                others.set(field.getKey(), field.getValue());
            }
        });
        return others;
    }

    /** Notes that somebody knows fields, and says what they are. */
    void know(Collection<String> names) {
        known.addAll(names);
    }

    /** Notes that a field makes no difference. */
    void ignore(String name) {
        if (has(name)) {
            ignored.add(name);
        }
    }

    /** Returns the fields that make no difference. */
    Set<String> ignored() {
        return ignored;
    }

    /** @throws ApiException if there are fields that were not asked for */
    void rejectOthers() {
        for (Iterator<String> names = root.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (!known.contains(name)) {
                throw ApiException.badParameter(
                        shown(name, SHOWN),
                        "there is no parameter '%s', only %s".formatted(shown(name, SHOWN), listed()));
            }
        }
    }

    /** Of two ways to write a name, the one with underscores. */
    private String listed() {
        return known.stream()
                .filter(name -> name.equals(name.toLowerCase(Locale.ROOT)))
                .collect(Collectors.joining(", "));
    }

    private static ApiException wrong(String name, String rule, JsonNode value) {
        return ApiException.badParameter(
                name, "%s must be %s, but was %s".formatted(name, rule, shown(value.toString(), SHOWN)));
    }

    /** Returns a text that may be shown again: short, and in one line. */
    static String shown(String text, int maxLength) {
        return ShownText.cut(text, maxLength);
    }
}
