package io.github.zimage.internal.config;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object from a file. Values that are asked for are read strictly: they have the asked type and lie in the asked range, or there
 * is a {@link ModelLoadException} that names file, key, rule and value. A key that is absent takes the given default. What is not asked
 * for may be anything that Python's {@code json} reads, NaN and infinities among it; of a key that is there twice, the last counts.
 */
public final class ConfigFile {
    private static final int MAX_BYTES = 16_000_000;

    private static final ObjectReader READER = JsonMapper.builder(JsonFactory.builder()
                    .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(500)
                            .maxNumberLength(4300)
                            .build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build()
            .reader();

    private final String file;
    private final String prefix;
    private final JsonNode object;

    private ConfigFile(String file, String prefix, JsonNode object) {
        this.file = file;
        this.prefix = prefix;
        this.object = object;
    }

    /**
     * Reads a file.
     *
     * @throws ModelLoadException if it is missing, unreadable, too large or not one JSON object
     */
    public static ConfigFile read(Path path) {
        return read(path, READER);
    }

    /** As {@link #read}, but refuses a key that is there twice: for files that people write for zimage. */
    public static ConfigFile readStrictly(Path path) {
        return read(path, READER.with(StreamReadFeature.STRICT_DUPLICATE_DETECTION));
    }

    private static ConfigFile read(Path path, ObjectReader reader) {
        String name = ModelFile.name(path);
        long size = ModelFile.size(path);
        if (size > MAX_BYTES) {
            throw new ModelLoadException(
                    name + ": zimage reads configurations of at most " + MAX_BYTES + " bytes, but this has " + size);
        }
        JsonNode node;
        try (InputStream in = Files.newInputStream(path)) {
            node = reader.readTree(in.readNBytes(MAX_BYTES));
        } catch (JsonProcessingException e) {
            throw new ModelLoadException(name + ": not sound JSON: " + ModelFile.reason(e), e);
        } catch (IOException e) {
            throw ModelFile.unreadable(path, e);
        }
        if (!node.isObject()) {
            throw new ModelLoadException(
                    name + ": must be a JSON object, but was " + (node.isMissingNode() ? "empty" : shown(node)));
        }
        return new ConfigFile(name, "", node);
    }

    /** Returns the keys of the object. */
    public Collection<String> keys() {
        List<String> keys = new ArrayList<>();
        object.fieldNames().forEachRemaining(keys::add);
        return keys;
    }

    /** Returns whether the key is there and not null. */
    public boolean has(String key) {
        return object.hasNonNull(key);
    }

    /** Returns the object under a key, or null if the key is absent or null. */
    public @Nullable ConfigFile object(String key) {
        JsonNode node = object.get(key);
        if (node == null || node.isNull()) {
            return null;
        }
        if (!node.isObject()) {
            throw wrong(key, "must be an object", node);
        }
        return new ConfigFile(file, prefix + key + ".", node);
    }

    /** Returns the integer under a key, which must lie in a range. */
    public int integer(String key, int missing, int least, int most) {
        JsonNode node = object.get(key);
        return node == null ? missing : integer(key, node, least, most);
    }

    private int integer(String key, JsonNode node, int least, int most) {
        if (!node.isIntegralNumber()
                || !node.canConvertToLong()
                || node.longValue() < least
                || node.longValue() > most) {
            throw wrong(key, "must be an integer from " + least + " to " + most, node);
        }
        return node.intValue();
    }

    List<Integer> integers(String key, List<Integer> missing, int least, int most) {
        JsonNode node = object.get(key);
        if (node == null) {
            return missing;
        }
        if (!node.isArray()) {
            throw wrong(key, "must be a list of integers", node);
        }
        List<Integer> values = new ArrayList<>();
        for (JsonNode value : node) {
            values.add(integer(key, value, least, most));
        }
        return List.copyOf(values);
    }

    /** Returns rows of finite numbers, one row behind the other; none if the key is missing. */
    List<Float> rows(String key, int rows, int columns) {
        JsonNode node = object.get(key);
        if (node == null) {
            return List.of();
        }
        String rule = "must be %d lists of %d finite numbers".formatted(rows, columns);
        List<Float> values = new ArrayList<>();
        for (JsonNode row : node) {
            for (JsonNode value : row) {
                values.add((float) number(key, rule, value));
            }
            if (!row.isArray() || row.size() != columns) {
                throw wrong(key, rule);
            }
        }
        if (!node.isArray() || node.size() != rows) {
            throw wrong(key, rule);
        }
        return List.copyOf(values);
    }

    /** Returns as many finite numbers. */
    List<Double> numbers(String key, int count) {
        JsonNode node = object.get(key);
        String rule = "must be %d finite numbers".formatted(count);
        List<Double> values = new ArrayList<>();
        if (node != null) {
            node.forEach(value -> values.add(number(key, rule, value)));
        }
        if (node == null || !node.isArray() || values.size() != count) {
            throw wrong(key, rule);
        }
        return List.copyOf(values);
    }

    double positive(String key, double missing) {
        JsonNode node = object.get(key);
        if (node == null) {
            return missing;
        }
        double value = number(key, "must be a finite number above 0", node);
        if (value <= 0) {
            throw wrong(key, "must be a finite number above 0", node);
        }
        return value;
    }

    double number(String key, double missing) {
        JsonNode node = object.get(key);
        return node == null ? missing : number(key, "must be a finite number", node);
    }

    private double number(String key, String rule, JsonNode node) {
        if (!node.isNumber() || !Double.isFinite(node.doubleValue())) {
            throw wrong(key, rule, node);
        }
        return node.doubleValue();
    }

    boolean flag(String key, boolean missing) {
        JsonNode node = object.get(key);
        if (node == null) {
            return missing;
        }
        if (!node.isBoolean()) {
            throw wrong(key, "must be true or false", node);
        }
        return node.booleanValue();
    }

    /** Returns the text under a key. */
    public String text(String key, String missing) {
        JsonNode node = object.get(key);
        if (node == null) {
            return missing;
        }
        if (!node.isTextual()) {
            throw wrong(key, "must be a text", node);
        }
        return node.textValue();
    }

    /** Returns the texts of the list under a key. */
    public List<String> texts(String key, List<String> missing) {
        JsonNode node = object.get(key);
        if (node == null) {
            return missing;
        }
        List<String> values = new ArrayList<>();
        if (node.isArray()) {
            for (JsonNode value : node) {
                if (value.isTextual()) {
                    values.add(value.textValue());
                }
            }
        }
        if (!node.isArray() || values.size() != node.size()) {
            throw wrong(key, "must be a list of texts", node);
        }
        return List.copyOf(values);
    }

    /** Refuses a text that is not among the supported ones; an absent key passes. */
    public void onlyText(String key, String first, String... more) {
        Set<String> supported = new LinkedHashSet<>(List.of(more));
        JsonNode node = object.get(key);
        if (node != null
                && !(node.isTextual() && (node.textValue().equals(first) || supported.contains(node.textValue())))) {
            throw wrong(key, "must be " + String.join(" or ", alternatives(first, supported)), node);
        }
    }

    private static List<String> alternatives(String first, Collection<String> more) {
        List<String> all = new ArrayList<>(List.of(first));
        all.addAll(more);
        return all;
    }

    /** Refuses a list of integers that differs from the only supported one; an absent key passes. */
    void onlyIntegers(String key, List<Integer> supported) {
        if (object.has(key)
                && !integers(key, supported, Integer.MIN_VALUE, Integer.MAX_VALUE)
                        .equals(supported)) {
            throw wrong(key, "must be " + supported, object.get(key));
        }
    }

    /** Refuses any of the keys that is there with a value other than null. */
    void onlyNull(String... keys) {
        for (String key : keys) {
            if (has(key)) {
                throw wrong(key, "is not supported and must be absent or null", object.get(key));
            }
        }
    }

    /** Refuses any of the flags that is there and true. */
    void onlyFalse(String... keys) {
        for (String key : keys) {
            if (has(key) && flag(key, false)) {
                throw wrong(key, "is not supported and must be false", object.get(key));
            }
        }
    }

    /** Returns the refusal of the value under a key. */
    public ModelLoadException wrong(String key, String rule) {
        JsonNode node = object.get(key);
        return new ModelLoadException(file + ": " + prefix + ModelFile.shown(key) + " " + rule + ", but was "
                + (node == null ? "absent" : shown(node)));
    }

    /** Returns a refusal that names a value of its own. */
    public ModelLoadException wrong(String key, String rule, Object value) {
        return new ModelLoadException(file + ": " + prefix + ModelFile.shown(key) + " " + rule + ", but was "
                + (value instanceof JsonNode node ? shown(node) : ModelFile.shown(value)));
    }

    private static String shown(JsonNode node) {
        if (node.isTextual()) {
            return ModelFile.quote(node.textValue());
        }
        return ModelFile.shown(node);
    }
}
