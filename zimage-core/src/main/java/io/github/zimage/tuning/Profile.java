package io.github.zimage.tuning;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.config.ConfigFile;
import io.github.zimage.internal.io.AtomicFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The settings that were found the fastest for a model on a machine, as a {@link Tuner} finds them and {@code zimage tune} writes them
 * into a file for {@link io.github.zimage.PipelineBuilder#profile}.
 *
 * @param modelKey stands for the model, see {@link io.github.zimage.ZImageModel#profileKey}
 * @param precisions the precision of each component that does not have the pipeline's own
 * @param attention the attention backend
 * @param stepCache the step cache of requests that name none and can have it: of enough steps, with a sampler that adds no noise
 */
public record Profile(
        String modelKey, Map<Component, Precision> precisions, AttentionBackend attention, StepCache stepCache) {
    private static final String VERSION_KEY = "zimageProfile";
    private static final int VERSION = 1;
    private static final String MODEL_KEY = "model";
    private static final String PRECISION_KEY = "precision";
    private static final String ATTENTION_KEY = "attention";

    private static final String STEP_CACHE_KEY = "stepCache";

    private static final Set<String> REQUIRED = Set.of(VERSION_KEY, MODEL_KEY, PRECISION_KEY, ATTENTION_KEY);
    private static final Set<String> KEYS =
            Set.of(VERSION_KEY, MODEL_KEY, PRECISION_KEY, ATTENTION_KEY, STEP_CACHE_KEY);
    private static final Pattern HASH = Pattern.compile("[0-9a-f]{32}");

    /**
     * Copies the map.
     *
     * @throws IllegalArgumentException if the VAE's precision is one of 8 bits
     */
    public Profile {
        Objects.requireNonNull(modelKey, "modelKey must not be null");
        Objects.requireNonNull(attention, "attention must not be null");
        Objects.requireNonNull(stepCache, "stepCache must not be null");
        precisions = Map.copyOf(precisions);
        Precision vae = precisions.get(Component.VAE);
        if (vae != null && vae.isEightBit()) {
            throw new IllegalArgumentException("the VAE's precision must be FP32 or BF16, but was " + vae);
        }
    }

    /** Returns a profile without a step cache. */
    public Profile(String modelKey, Map<Component, Precision> precisions, AttentionBackend attention) {
        this(modelKey, precisions, attention, StepCache.OFF);
    }

    /**
     * Reads a file. Reads strictly: a key that is not known is an error, as is one that is missing.
     *
     * @throws IllegalArgumentException if it is missing, unreadable or not a profile; the message says what is wrong with it
     */
    public static Profile read(Path file) {
        try {
            return of(ConfigFile.readStrictly(file));
        } catch (ModelLoadException e) {
            throw new IllegalArgumentException("%s (zimage tune makes a profile)".formatted(e.getMessage()), e);
        }
    }

    /**
     * Writes a file, replacing the one that was there. It appears whole or not at all.
     *
     * @throws UncheckedIOException if it cannot be written
     */
    public void write(Path file) {
        JsonMapper mapper = JsonMapper.builder().build();
        ObjectNode json = mapper.createObjectNode();
        json.put(VERSION_KEY, VERSION);
        json.put(MODEL_KEY, modelKey);
        ObjectNode formats = json.putObject(PRECISION_KEY);
        precisions.entrySet().stream()
                .sorted(Map.Entry.comparingByKey(Comparator.comparing(Component::id)))
                .forEach(each ->
                        formats.put(each.getKey().id(), each.getValue().name().toLowerCase(Locale.ROOT)));
        json.put(ATTENTION_KEY, attention.name());
        if (stepCache.kind() != StepCache.Kind.OFF) {
            json.put(STEP_CACHE_KEY, stepCache.toString());
        }
        try {
            AtomicFile.write(file, (json.toPrettyString() + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(String.valueOf(e.getMessage()), e);
        }
    }

    private static Profile of(ConfigFile json) {
        onlyKeys(json, KEYS);
        require(json, REQUIRED);
        json.integer(VERSION_KEY, VERSION, VERSION, VERSION);
        String model = json.text(MODEL_KEY, "");
        if (!HASH.matcher(model).matches()) {
            throw json.wrong(MODEL_KEY, "must be 32 hexadecimal digits");
        }
        String attention = json.text(ATTENTION_KEY, "");
        if (attention.isBlank()) {
            throw json.wrong(ATTENTION_KEY, "must be the name of an attention backend");
        }
        ConfigFile formats = json.object(PRECISION_KEY);
        if (formats == null) {
            throw json.wrong(PRECISION_KEY, "must be an object");
        }
        return new Profile(model, precisions(formats), new AttentionBackend(attention), stepCache(json));
    }

    private static StepCache stepCache(ConfigFile json) {
        if (!json.has(STEP_CACHE_KEY)) {
            return StepCache.OFF;
        }
        try {
            return StepCache.of(json.text(STEP_CACHE_KEY, ""));
        } catch (IllegalArgumentException e) {
            throw json.wrong(STEP_CACHE_KEY, "must be a step cache, such as mask=medium");
        }
    }

    private static Map<Component, Precision> precisions(ConfigFile formats) {
        onlyKeys(formats, Component.values().stream().map(Component::id).collect(Collectors.toSet()));
        Map<String, Precision> byName = new TreeMap<>();
        for (Precision precision : Precision.values()) {
            byName.put(precision.name().toLowerCase(Locale.ROOT), precision);
        }
        Map<Component, Precision> precisions = new HashMap<>();
        for (Component component : Component.values()) {
            if (!formats.has(component.id())) {
                continue;
            }
            if (component.equals(Component.VAE)) {
                byName.values().removeIf(Precision::isEightBit);
            }
            Precision precision = byName.get(formats.text(component.id(), ""));
            if (precision == null) {
                throw formats.wrong(component.id(), "must be one of " + String.join(", ", byName.keySet()));
            }
            precisions.put(component, precision);
        }
        return precisions;
    }

    private static void onlyKeys(ConfigFile json, Set<String> known) {
        for (String key : json.keys()) {
            if (!known.contains(key)) {
                throw json.wrong(key, "is not a setting; those are " + sorted(known));
            }
        }
    }

    private static void require(ConfigFile json, Set<String> keys) {
        for (String key : keys.stream().sorted().toList()) {
            if (!json.has(key)) {
                throw json.wrong(key, "must be there");
            }
        }
    }

    private static String sorted(Collection<String> names) {
        List<String> sorted = names.stream().sorted().toList();
        return String.join(", ", sorted);
    }
}
