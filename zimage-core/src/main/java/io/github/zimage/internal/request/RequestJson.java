package io.github.zimage.internal.request;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.internal.io.ShownText;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * A request as a JSON object, with the fields of {@link RequestFields}. All that carries requests from one place to another uses it:
 * pictures, files, HTTP.
 *
 * <p>Each field has the name of its setter; written with underscores, as in Python, it is read too. A field that is null counts as
 * missing. Embeddings and latents are no fields: they are too large for it. What is written is ASCII, so that even unpaired
 * surrogates survive.
 */
public final class RequestJson {
    private static final int SHOWN = 40;

    private static final Map<String, RequestField<?>> BY_NAME = byName();

    static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private RequestJson() {}

    private static Map<String, RequestField<?>> byName() {
        Map<String, RequestField<?>> fields = new HashMap<>();
        for (RequestField<?> field : RequestFields.ALL) {
            fields.put(field.name(), field);
            fields.put(pythonName(field.name()), field);
        }
        return fields;
    }

    /** Returns the names of all fields, as they are written. */
    public static List<String> names() {
        return RequestFields.ALL.stream().map(RequestField::name).toList();
    }

    /** Returns a field's name as it is written in Python, such as {@code negative_prompt}. */
    public static String pythonName(String name) {
        return name.replaceAll("(?=\\p{Lu})", "_").toLowerCase(Locale.ROOT);
    }

    /** Returns a request as JSON. */
    public static String write(GenerationRequest request) {
        ObjectNode json = MAPPER.createObjectNode();
        write(request, json);
        return text(json);
    }

    /** Adds a request's fields to a JSON object. */
    static void write(GenerationRequest request, ObjectNode json) {
        RequestFields.ALL.forEach(field -> field.write(request, json));
    }

    /**
     * Sets what a JSON object names.
     *
     * @throws InvalidRequestException if the text is not a JSON object, or a field is unknown, there twice or of another type
     */
    public static void read(String text, GenerationRequest.Builder into) {
        read(object(text), Set.of(), into);
    }

    /**
     * Sets what a JSON object names.
     *
     * @param others fields that are none of a request's, which are left alone
     */
    static void read(JsonNode json, Set<String> others, GenerationRequest.Builder into) {
        Set<String> seen = new HashSet<>();
        json.properties().forEach(property -> {
            String name = property.getKey();
            RequestField<?> field = BY_NAME.get(name);
            if (field == null) {
                rejectUnlessOther(name, others);
            } else if (!property.getValue().isNull()) {
                if (!seen.add(field.name())) {
                    throw new InvalidRequestException(
                            List.of(field.name()),
                            "%s must be given once, but was given as %s too"
                                    .formatted(field.name(), pythonName(field.name())));
                }
                field.read(property.getValue(), into);
            }
        });
        for (List<String> pair : RequestFields.EXCLUSIVE) {
            if (seen.containsAll(pair)) {
                throw new InvalidRequestException(
                        pair,
                        "only one of %s and %s can be given, but there were both".formatted(pair.get(0), pair.get(1)));
            }
        }
    }

    private static void rejectUnlessOther(String name, Set<String> others) {
        if (!others.contains(name)) {
            throw new InvalidRequestException(
                    List.of(shown(name)),
                    "a request has no field '%s', only %s".formatted(shown(name), String.join(", ", names())));
        }
    }

    /** Reads a JSON object. */
    static JsonNode object(String text) {
        try {
            JsonNode json = MAPPER.readTree(text);
            if (json.isObject()) {
                return json;
            }
        } catch (JsonProcessingException e) {
            throw new InvalidRequestException(
                    List.of(),
                    "a request must be a JSON object, but this is not JSON: " + shown(e.getOriginalMessage()));
        }
        throw new InvalidRequestException(List.of(), "a request must be a JSON object, but was " + shown(text));
    }

    static String text(JsonNode json) {
        try {
            return MAPPER.writeValueAsString(json);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    private static String shown(String text) {
        return ShownText.cut(text, SHOWN);
    }
}
