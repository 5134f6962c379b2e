package io.github.zimage;

import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.io.TextTable;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.singlefile.ModelFiles;
import io.github.zimage.internal.singlefile.SingleFile;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What a checkpoint holds, as {@link ZImageModel#info} tells without loading it. {@link #toString()} is a table for people.
 *
 * @param name the folder's or file's name, or the model's if the folder lies in a Hugging Face cache
 * @param folder the folder, or the file with the transformer, absolute
 * @param parts the components, in the order in which a generation uses them
 * @param schedulerShift how far the scheduler pushes the noise levels up, where that does not depend on the picture's size
 * @param dynamicShift whether it does
 * @param notes what was assumed since no file says it, a sentence each; empty for a folder that says all
 */
public record ModelInfo(
        String name, Path folder, List<Part> parts, double schedulerShift, boolean dynamicShift, List<String> notes) {

    /**
     * What a checkpoint holds of one component.
     *
     * @param component the component
     * @param className its class in Python
     * @param parameters how many numbers its weights have
     * @param bytes how much its weights take on the disk
     * @param storageTypes the formats that the weights are stored in, such as {@code BF16} or {@code Q4_K}, the most used one first
     * @param files how many files they lie in
     * @param dimensions its main dimensions, for people
     */
    public record Part(
            Component component,
            String className,
            long parameters,
            long bytes,
            List<String> storageTypes,
            int files,
            String dimensions) {
        /** Creates a description; the list is copied. */
        public Part {
            storageTypes = List.copyOf(storageTypes);
        }
    }

    /** Creates a description; the lists are copied. */
    public ModelInfo {
        parts = List.copyOf(parts);
        notes = List.copyOf(notes);
    }

    /**
     * Tells what a file or folder holds: a model, or of a single file those parts that are in it, without looking for the others.
     *
     * @throws ModelLoadException if it is missing, damaged, or neither a model nor a part of one
     */
    public static ModelInfo read(Path place) {
        if (!Files.isRegularFile(Given.value(place, "place"))) {
            return of(SingleFile.open(ModelFiles.of(place, null)));
        }
        SingleFile.Held held = SingleFile.held(place);
        List<Part> parts = new ArrayList<>();
        for (Component component : Component.values()) {
            WeightIndex weights = held.weights().get(component);
            Object config = held.configs().get(component);
            if (weights != null && config != null) {
                parts.add(part(component, SingleFile.className(component), weights, dimensions(config)));
            }
        }
        Path absolute = place.toAbsolutePath().normalize();
        return new ModelInfo(SingleFile.name(absolute), absolute, parts, 3, false, held.notes());
    }

    static ModelInfo of(Checkpoint checkpoint) {
        List<Part> parts = List.of(
                part(Component.TEXT_ENCODER, checkpoint, checkpoint.textEncoder()),
                part(Component.TRANSFORMER, checkpoint, checkpoint.transformer()),
                part(Component.VAE, checkpoint, checkpoint.vae()));
        SchedulerConfig scheduler = checkpoint.scheduler();
        return new ModelInfo(
                checkpoint.name(),
                checkpoint.folder(),
                parts,
                scheduler.shift(),
                scheduler.useDynamicShifting(),
                checkpoint.notes());
    }

    private static Part part(Component component, Checkpoint checkpoint, Object config) {
        return part(component, checkpoint.className(component), checkpoint.files(component), dimensions(config));
    }

    private static Part part(Component component, String className, WeightIndex files, String dimensions) {
        List<String> types = files.tensors().values().stream()
                .collect(Collectors.groupingBy(TensorEntry::encoding, Collectors.summingLong(TensorEntry::storedBytes)))
                .entrySet()
                .stream()
                .sorted((a, b) -> Long.compare(b.getValue(), a.getValue()))
                .map(Map.Entry::getKey)
                .toList();
        return new Part(
                component,
                className,
                files.tensors().values().stream()
                        .mapToLong(TensorEntry::elements)
                        .sum(),
                files.storedBytes(),
                types,
                files.files().size(),
                dimensions);
    }

    private static String dimensions(Object config) {
        if (config instanceof TextEncoderConfig textEncoder) {
            return dimensions(textEncoder);
        }
        return config instanceof TransformerConfig transformer
                ? dimensions(transformer)
                : dimensions((VaeConfig) config);
    }

    private static String dimensions(TextEncoderConfig config) {
        return "hidden %d, %d layers, %d/%d heads of %d, %d tokens"
                .formatted(
                        config.hiddenSize(),
                        config.layers(),
                        config.heads(),
                        config.kvHeads(),
                        config.headDim(),
                        config.vocabSize());
    }

    private static String dimensions(TransformerConfig config) {
        return "dim %d, %d + 2x%d layers, %d heads of %d"
                .formatted(config.dim(), config.layers(), config.refinerLayers(), config.heads(), config.headDim());
    }

    private static String dimensions(VaeConfig config) {
        return "%d latent channels, 1/%d size, channels %s"
                .formatted(
                        config.latentChannels(),
                        config.scale(),
                        config.blockOutChannels().stream().map(String::valueOf).collect(Collectors.joining(" ")));
    }

    /** Returns a table of several lines. */
    @Override
    public String toString() {
        TextTable table = new TextTable(Set.of(2, 3, 5));
        table.add("component", "class", "parameters", "bytes", "stored as", "files", "dimensions");
        for (Part part : parts) {
            table.add(
                    part.component().folder(),
                    ShownText.cut(part.className()),
                    decimal(part.parameters()),
                    decimal(part.bytes()) + "B",
                    String.join(", ", part.storageTypes()),
                    String.valueOf(part.files()),
                    part.dimensions());
        }
        StringBuilder text = new StringBuilder(ShownText.line(name + " (" + folder + ")"))
                .append('\n')
                .append(table);
        text.append("scheduler shift: ")
                .append(dynamicShift ? "by the picture's size" : String.valueOf(schedulerShift));
        notes.forEach(note -> text.append('\n').append(ShownText.line(note)));
        return text.toString();
    }

    private static String decimal(long count) {
        if (count < 1_000_000) {
            return String.format(Locale.ROOT, "%.1f k", count / 1e3);
        }
        return count < 1_000_000_000
                ? String.format(Locale.ROOT, "%.1f M", count / 1e6)
                : String.format(Locale.ROOT, "%.2f G", count / 1e9);
    }
}
