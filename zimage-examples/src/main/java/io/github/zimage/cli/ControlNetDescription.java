package io.github.zimage.cli;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.ConfigFile;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.ControlNetFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Collectors;

/** What a ControlNet's file says of it. */
final class ControlNetDescription {
    private ControlNetDescription() {}

    /** Returns whether a path is a ControlNet's, by the names of its tensors, or by those of the files of a folder. */
    static boolean isOne(Path path) {
        if (Files.isDirectory(path)) {
            Path json = path.resolve("config.json");
            return Files.exists(json)
                    && ConfigFile.read(json).text("_class_name", "").equals("ZImageControlNetModel");
        }
        if (!Files.isRegularFile(path)
                || !path.toString().toLowerCase(Locale.ROOT).endsWith(".safetensors")) {
            return false;
        }
        try {
            return ControlNetFile.isOne(SafetensorsHeader.read(path).tensors().keySet());
        } catch (ModelLoadException e) {
            return false; // what reads it as a LoRA says what is wrong
        }
    }

    /** Returns what it is, in several lines. */
    static String of(Path path) {
        ControlNetFile file = ControlNetFile.open(path);
        ControlNetConfig.Facts facts = file.facts();
        long parameters = file.index().tensors().values().stream()
                .mapToLong(TensorEntry::elements)
                .sum();
        String types = file.index().tensors().values().stream()
                .map(each -> each.type().name())
                .distinct()
                .sorted()
                .collect(Collectors.joining(", "));
        return String.format(
                Locale.ROOT,
                "ControlNet %s of Z-Image%n  %d control layers, %d blocks that refine, %d channels, dim %d%n"
                        + "  %.1f M parameters, stored as %s, %.2f GB",
                facts.variant().title(),
                facts.layers(),
                facts.refiners(),
                facts.inChannels(),
                facts.dim(),
                parameters / 1e6,
                types,
                file.index().byteSize() / 1e9);
    }
}
