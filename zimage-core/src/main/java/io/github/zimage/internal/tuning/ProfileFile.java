package io.github.zimage.internal.tuning;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.Profile;
import io.github.zimage.internal.config.ConfigFile;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Reads profiles, and tells which model one belongs to. */
public final class ProfileFile {
    /** Key of the format's version. */
    public static final String VERSION_KEY = "zimageProfile";

    /** The only version. */
    public static final int VERSION = 1;

    /** Key of the model's key. */
    public static final String MODEL_KEY = "model";

    /** Key of the precisions by component. */
    public static final String PRECISION_KEY = "precision";

    /** Key of the attention backend's name. */
    public static final String ATTENTION_KEY = "attention";

    private static final Set<String> KEYS = Set.of(VERSION_KEY, MODEL_KEY, PRECISION_KEY, ATTENTION_KEY);
    private static final Pattern HASH = Pattern.compile("[0-9a-f]{32}");

    private ProfileFile() {}

    /**
     * Reads a profile.
     *
     * @throws IllegalArgumentException if it is missing, unreadable or not a profile
     */
    public static Profile read(Path file) {
        try {
            return of(ConfigFile.read(file));
        } catch (ModelLoadException e) {
            throw new IllegalArgumentException("%s (zimage tune makes a profile)".formatted(e.getMessage()), e);
        }
    }

    private static Profile of(ConfigFile json) {
        onlyKeys(json, KEYS);
        require(json, KEYS);
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
        return new Profile(model, precisions(formats), new AttentionBackend(attention));
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

    /** Returns what stands for a model: 32 hexadecimal digits. */
    public static String modelKey(Checkpoint checkpoint) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java runtime has SHA-256", e);
        }
        for (Component component : Component.values()) {
            Map<String, TensorEntry> tensors =
                    new TreeMap<>(checkpoint.files(component).tensors());
            tensors.forEach((name, entry) -> {
                String line = "%s %s %s\n".formatted(component.id().toUpperCase(Locale.ROOT), name, entry.shape());
                digest.update(line.getBytes(StandardCharsets.UTF_8));
            });
        }
        return HexFormat.of().formatHex(digest.digest(), 0, 16);
    }
}
