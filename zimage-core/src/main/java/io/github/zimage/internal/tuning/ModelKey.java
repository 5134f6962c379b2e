package io.github.zimage.internal.tuning;

import io.github.zimage.Component;
import io.github.zimage.internal.io.Sha256;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** What tells models apart that are computed with differently, and not those that differ in their numbers only. */
public final class ModelKey {
    private ModelKey() {}

    /** Returns what stands for a model: 32 hexadecimal digits of a hash over its tensors' names and shapes. */
    public static String of(Checkpoint checkpoint) {
        MessageDigest digest = Sha256.digest();
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
