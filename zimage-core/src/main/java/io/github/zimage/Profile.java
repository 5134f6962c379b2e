package io.github.zimage;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.tuning.ProfileFile;
import io.github.zimage.internal.weights.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * The settings that were found the fastest for a model on a machine, as {@code zimage tune} writes them into a file for
 * {@link PipelineBuilder#profile}.
 *
 * @param modelKey stands for the model, see {@link #modelKey(Path)}
 * @param precisions the precision of each component that does not have the pipeline's own
 * @param attention the attention backend
 */
public record Profile(String modelKey, Map<Component, Precision> precisions, AttentionBackend attention) {

    /**
     * Copies the map.
     *
     * @throws IllegalArgumentException if the VAE's precision is one of 8 bits
     */
    public Profile {
        Objects.requireNonNull(modelKey, "modelKey");
        Objects.requireNonNull(attention, "attention");
        precisions = Map.copyOf(precisions);
        Precision vae = precisions.get(Component.VAE);
        if (vae != null && vae.isEightBit()) {
            throw new IllegalArgumentException("the VAE's precision must be FP32 or BF16, but was " + vae);
        }
    }

    /**
     * Reads a file. Reads strictly: a key that is not known is an error, as is one that is missing.
     *
     * @throws IllegalArgumentException if it is missing, unreadable or not a profile; the message says what is wrong with it
     */
    public static Profile read(Path file) {
        return ProfileFile.read(file);
    }

    /**
     * Writes a file, replacing the one that was there. It appears whole or not at all.
     *
     * @throws UncheckedIOException if it cannot be written
     */
    public void write(Path file) {
        JsonMapper mapper = JsonMapper.builder().build();
        ObjectNode json = mapper.createObjectNode();
        json.put(ProfileFile.VERSION_KEY, ProfileFile.VERSION);
        json.put(ProfileFile.MODEL_KEY, modelKey);
        ObjectNode formats = json.putObject(ProfileFile.PRECISION_KEY);
        precisions.entrySet().stream()
                .sorted(Map.Entry.comparingByKey(Comparator.comparing(Component::id)))
                .forEach(each ->
                        formats.put(each.getKey().id(), each.getValue().name().toLowerCase(Locale.ROOT)));
        json.put(ProfileFile.ATTENTION_KEY, attention.name());
        try {
            AtomicFile.write(file, (json.toPrettyString() + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * Returns what stands for a model in a profile: the same for folders whose tensors have the same names and shapes, whatever
     * the numbers in them. Reads no weights.
     *
     * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
     */
    public static String modelKey(Path folder) {
        return ProfileFile.modelKey(Checkpoint.open(folder, null));
    }
}
