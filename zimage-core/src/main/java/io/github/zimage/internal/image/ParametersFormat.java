package io.github.zimage.internal.image;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.ImageParameters;
import io.github.zimage.Precision;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The two texts that a PNG carries: one for people and other programs, one to restore the record from.
 *
 * <p>The first is the format of AUTOMATIC1111's web UI. A prompt that itself contains such lines makes it ambiguous, hence the
 * second, which is JSON. That one is pure ASCII, so that even unpaired surrogates survive.
 */
public final class ParametersFormat {
    /** The keyword of the text in the web UI's format. */
    public static final String TEXT_KEYWORD = "parameters";

    /** The keyword of the JSON. */
    public static final String JSON_KEYWORD = "zimage";

    /** The name and version of this program. */
    public static final String PROGRAM = "zimage " + version();

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final Pattern NEEDS_QUOTES = Pattern.compile("[,:\"\\\\\\p{Cntrl}]|^\\s|\\s$");

    private ParametersFormat() {}

    /**
     * Returns the text in the web UI's format.
     *
     * @param version the program's name and version
     */
    public static String toText(ImageParameters parameters, String version) {
        StringBuilder text = new StringBuilder();
        if (parameters.prompt() != null && !parameters.prompt().isEmpty()) {
            text.append(withoutNul(parameters.prompt())).append('\n');
        }
        if (parameters.negativePrompt() != null && !parameters.negativePrompt().isEmpty()) {
            text.append("Negative prompt: ")
                    .append(withoutNul(parameters.negativePrompt()))
                    .append('\n');
        }
        text.append("Steps: ").append(parameters.steps());
        text.append(", Sampler: Euler");
        if (parameters.sigmas().isEmpty()) {
            text.append(", Schedule type: Simple");
        }
        // The web UI counts from 1, where guidance is off.
        BigDecimal scale = BigDecimal.valueOf(parameters.guidance()).add(BigDecimal.ONE);
        text.append(", CFG scale: ").append(scale.stripTrailingZeros().toPlainString());
        if (parameters.seed() != null) {
            text.append(", Seed: ").append(parameters.seed());
        }
        text.append(", Size: ").append(parameters.width()).append('x').append(parameters.height());
        text.append(", Model: ").append(quoted(parameters.model()));
        text.append(", Version: ").append(quoted(version));
        return text.toString();
    }

    /** Returns the JSON. */
    public static String toJson(ImageParameters parameters) {
        ObjectNode json = MAPPER.createObjectNode();
        json.put("prompt", parameters.prompt());
        json.put("negativePrompt", parameters.negativePrompt());
        json.put("width", parameters.width());
        json.put("height", parameters.height());
        json.put("steps", parameters.steps());
        json.put("guidance", parameters.guidance());
        json.put("cfgNormalization", parameters.cfgNormalization());
        json.put("cfgTruncation", parameters.cfgTruncation());
        json.put("seed", parameters.seed());
        ArrayNode sigmas = json.putArray("sigmas");
        parameters.sigmas().forEach(sigmas::add);
        json.put("model", parameters.model());
        json.put("precision", parameters.precision().name());
        json.put("vaePrecision", parameters.vaePrecision().name());
        if (parameters.noiseReduction() > 1) {
            json.put("noiseReduction", parameters.noiseReduction());
        }
        try {
            return MAPPER.writeValueAsString(json);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    /**
     * Restores the record from its JSON.
     *
     * @throws IllegalArgumentException if this is not what {@link #toJson} writes; the message says why in a few words
     */
    public static ImageParameters fromJson(String text) {
        JsonNode json;
        try {
            json = MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("it is not JSON", e);
        }
        return new ImageParameters(
                string(json, "prompt"),
                string(json, "negativePrompt"),
                positive(json, "width"),
                positive(json, "height"),
                positive(json, "steps"),
                number(json.path("guidance"), "guidance"),
                number(json.path("cfgNormalization"), "cfgNormalization"),
                number(json.path("cfgTruncation"), "cfgTruncation"),
                seed(json),
                sigmas(json),
                requiredString(json, "model"),
                precision(json, "precision"),
                precision(json, "vaePrecision"),
                json.has("noiseReduction") ? positive(json, "noiseReduction") : 1);
    }

    private static @Nullable String string(JsonNode json, String name) {
        return json.path(name).isNull() ? null : requiredString(json, name);
    }

    private static String requiredString(JsonNode json, String name) {
        JsonNode value = json.path(name);
        require(value.isTextual(), name, "a text");
        return value.textValue();
    }

    private static int positive(JsonNode json, String name) {
        JsonNode value = json.path(name);
        require(value.isInt() && value.intValue() > 0, name, "a whole number above 0");
        return value.intValue();
    }

    private static double number(JsonNode value, String name) {
        require(value.isNumber() && Double.isFinite(value.doubleValue()), name, "a number");
        return value.doubleValue();
    }

    private static @Nullable Long seed(JsonNode json) {
        JsonNode value = json.path("seed");
        if (value.isNull()) {
            return null;
        }
        require(value.isIntegralNumber() && value.canConvertToLong(), "seed", "a whole number of 64 bits");
        return value.longValue();
    }

    private static List<Float> sigmas(JsonNode json) {
        JsonNode values = json.path("sigmas");
        require(values.isArray(), "sigmas", "a list");
        List<Float> sigmas = new ArrayList<>();
        for (JsonNode value : values) {
            sigmas.add((float) number(value, "sigmas"));
        }
        return sigmas;
    }

    private static Precision precision(JsonNode json, String name) {
        String value = requiredString(json, name);
        for (Precision precision : Precision.values()) {
            if (precision.name().equals(value)) {
                return precision;
            }
        }
        throw new IllegalArgumentException(name + " is none that is known");
    }

    private static void require(boolean condition, String name, String what) {
        if (!condition) {
            throw new IllegalArgumentException("%s must be %s".formatted(name, what));
        }
    }

    private static String version() {
        Properties properties = new Properties();
        try (InputStream in = ImageParameters.class.getResourceAsStream("version.properties")) {
            properties.load(Objects.requireNonNull(in, "version.properties"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version");
    }

    private static String withoutNul(String text) {
        return text.replace('\0', ' ');
    }

    private static String quoted(String value) {
        if (!NEEDS_QUOTES.matcher(value).find()) {
            return value;
        }
        try {
            return MAPPER.writer().without(JsonWriteFeature.ESCAPE_NON_ASCII).writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }
}
