package io.github.zimage.bench;

import io.github.zimage.placement.Device;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What {@link GpuCheck} and each of its parts work on. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CheckOptions {
    @Option(
            names = "--model",
            required = true,
            paramLabel = "DIR",
            description = "Full-size checkpoint; if there is none, one with random weights is made (20 GB).")
    private Path model;

    @Option(
            names = "--small-model",
            paramLabel = "DIR",
            description = "Checkpoint that the CPU draws with, too (default: a tiny one with random weights).")
    private @Nullable Path smallModel;

    @Option(names = "--device", defaultValue = "cuda:0", description = "The card (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(names = "--sizes", defaultValue = "512,1024", split = ",", description = "Default: ${DEFAULT-VALUE}.")
    private List<Integer> sizes;

    @Option(names = "--steps", defaultValue = "8", description = "Steps of a picture (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "FILE",
            description = "Gets a line of JSON a figure, in place of what it had.")
    private Path out;

    Path model() {
        return model;
    }

    Path smallModel() {
        return smallModel == null ? model.resolveSibling(model.getFileName() + "-small") : smallModel;
    }

    /** Returns whether the small model has other weights than random ones. */
    boolean isTrained() {
        return smallModel != null;
    }

    Device device() {
        return Device.parse(device);
    }

    List<Integer> sizes() {
        return sizes;
    }

    int largestSize() {
        return sizes.stream().max(Comparator.naturalOrder()).orElseThrow();
    }

    int steps() {
        return steps;
    }

    Path out() {
        return out;
    }

    /** Returns the options as they stand on a command line. */
    List<String> arguments() {
        List<String> arguments = new ArrayList<>(List.of("--model", model.toString()));
        if (smallModel != null) {
            arguments.addAll(List.of("--small-model", smallModel.toString()));
        }
        arguments.addAll(List.of("--device", device, "--steps", Integer.toString(steps), "--out", out.toString()));
        arguments.addAll(List.of(
                "--sizes", String.join(",", sizes.stream().map(String::valueOf).toList())));
        return arguments;
    }
}
