package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import io.github.zimage.Lora;
import io.github.zimage.LoraReport;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.internal.io.FileNames;
import io.github.zimage.internal.io.ShownText;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The LoRAs to draw with. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class LoraOptions {
    private static final Pattern WEIGHT = Pattern.compile("(.+)=(-?[0-9]{1,3}(?:\\.[0-9]{1,9})?)");
    private static final String ENDING = ".safetensors";

    @Option(
            names = "--lora",
            paramLabel = "FILE[=WEIGHT]",
            description = "LoRA to draw with, at a weight (default: 1): a safetensors file, or the name of one in"
                    + " --lora-dir. Can be given several times.")
    private List<String> loras = List.of();

    @Option(
            names = "--lora-dir",
            paramLabel = "DIR",
            description = "Folder of LoRAs that can be named by their files' names without " + ENDING + ".")
    private @Nullable Path folder;

    @Option(
            names = "--lora-strict",
            description = "Refuse a LoRA of which not all can be applied, instead of saying what cannot.")
    private boolean strict;

    /** Returns the folder; null if none was named. */
    @Nullable
    Path folder() {
        return folder;
    }

    /** Sets the folder, and the LoRAs for requests that name none. */
    void apply(PipelineBuilder builder) {
        named().forEach(builder::lora);
        applyFolder(builder);
    }

    /** Sets the folder alone. */
    void applyFolder(PipelineBuilder builder) {
        if (folder != null) {
            if (!Files.isDirectory(folder)) {
                throw new IllegalArgumentException(
                        "--lora-dir must be a folder, but '%s' is none".formatted(ShownText.cut(folder.toString())));
            }
            builder.loraFolder(folder);
        }
    }

    /**
     * Returns a request with the LoRAs that were named, and says what of them is applied.
     *
     * @param others further ones
     */
    GenerationRequest applied(GenerationRequest request, List<Lora> others, PrintWriter err) {
        List<Lora> all = new ArrayList<>(named());
        all.addAll(others.stream().map(this::found).toList());
        if (all.isEmpty()) {
            return request;
        }
        for (Lora each : all) {
            LoraReport report = each.report();
            err.println("zimage: " + ShownText.joined((report.isComplete() ? report.summary() : report.toString())));
        }
        return request.toBuilder().loras(all).build();
    }

    private List<Lora> named() {
        return loras.stream().map(this::parsed).toList();
    }

    private Lora parsed(String text) {
        Matcher weighted = WEIGHT.matcher(text);
        // A file may have an equals sign in its name.
        boolean hasWeight = weighted.matches() && !Files.isRegularFile(FileNames.parse("--lora", text));
        Lora lora = lora(hasWeight ? weighted.group(1) : text);
        return hasWeight ? lora.weight(Double.parseDouble(weighted.group(2))) : lora;
    }

    private Lora lora(String text) {
        Path file = FileNames.parse("--lora", text);
        boolean isFile = text.endsWith(ENDING) || file.getNameCount() > 1 || Files.isRegularFile(file);
        Lora lora = isFile ? Lora.of(file) : found(Lora.named(text));
        return strict ? lora.strict() : lora;
    }

    /** Returns the file of a LoRA that was named. */
    private Lora found(Lora named) {
        Path in = folder;
        if (in == null) {
            throw new IllegalArgumentException(
                    "LoRA '%s' is no safetensors file; name a file, or the folder of LoRAs with --lora-dir"
                            .formatted(ShownText.cut(named.name())));
        }
        Path file = in.resolve(named.name() + ENDING);
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException(
                    "there is no LoRA '%s' in %s".formatted(ShownText.cut(named.name()), ShownText.cut(in.toString())));
        }
        Lora lora = Lora.of(file).weight(named.weight());
        return strict ? lora.strict() : lora;
    }
}
