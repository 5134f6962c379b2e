package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImageException;
import io.github.zimage.control.ControlImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The pictures that others follow. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ControlOptions {
    @Option(
            names = "--control",
            paramLabel = "FILE",
            description =
                    "Follow this picture (PNG or JPEG), by the ControlNet of --control-model. Can be given several"
                            + " times: hints add up. Its size is taken unless another is given.")
    private List<Path> controls = List.of();

    @Mixin
    private ControlModelOption model;

    @Option(
            names = "--control-type",
            paramLabel = "auto|canny|tile|grey|blur|none",
            description =
                    "What is made of --control: outlines (canny), the picture without fine details (tile), in grey,"
                            + " blurred, or nothing, if it is a map of outlines, depth or a pose already (default: auto, which is"
                            + " none for pictures without colours or mostly black, and canny for others).")
    private ControlImage.@Nullable Type type;

    @Option(
            names = "--control-scale",
            paramLabel = "S",
            description = "How much --control counts, from -10 to 10 (default: 0.75).")
    private @Nullable Double scale;

    @Option(
            names = "--control-until",
            paramLabel = "T",
            description = "The part of the steps, above 0 to 1, behind which --control does not count (default: 1).")
    private @Nullable Double until;

    /** Sets the ControlNet. */
    void apply(PipelineBuilder builder) {
        model.apply(builder);
    }

    /**
     * Returns the pictures, read.
     *
     * @throws IllegalArgumentException if one cannot be read, or an option makes no sense without another
     */
    List<ControlImage> controls() {
        Map<String, @Nullable Object> options = new LinkedHashMap<>();
        options.put("--control-type", type);
        options.put("--control-scale", scale);
        options.put("--control-until", until);
        options.values().removeIf(each -> each == null);
        if (controls.isEmpty() && !options.isEmpty()) {
            throw new IllegalArgumentException(
                    "%s needs --control, the picture to follow".formatted(String.join(", ", options.keySet())));
        }
        if (!controls.isEmpty() && !model.isGiven()) {
            throw new IllegalArgumentException("--control needs --control-model, the ControlNet that follows it");
        }
        List<ControlImage> read = new ArrayList<>();
        for (Path each : controls) {
            ControlImage control = ControlImage.of(picture(each));
            control = type == null ? control : control.type(type);
            control = scale == null ? control : control.scale(scale);
            read.add(until == null ? control : control.until(until));
        }
        return read;
    }

    private static SourceImage picture(Path file) {
        try {
            return SourceImage.read(file);
        } catch (ZImageException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }
}
