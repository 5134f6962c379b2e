package io.github.zimage.bench;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.control.ControlImage;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.Placement;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Draws with a ControlNet: with the small model on the CPU and on the GPU, in every precision, resident, recorded and streamed, and says how far apart
 * the latents are; with the full-size one, and says what a step takes with it and without, and memory beside the plan.
 */
final class ControlPart {
    /** Compares with the small model. */
    static final String NAME = "control";

    /** Times with the full-size model. */
    static final String TIMES = "control-times";

    private static final int SIDE = 128;
    private static final int RUNS = 3;

    private final CheckOptions options;
    private final Findings findings;

    ControlPart(CheckOptions options, Findings findings) {
        this.options = options;
        this.findings = findings;
    }

    /** Draws on the CPU in FP32, and on the GPU in every precision and way, without a control picture, with one, and at scale 0. */
    void compare() {
        Path net = net(options.smallModel());
        List<GeneratedImage> exact = draw(builder(options.smallModel(), net, Device.cpu(), Precision.FP32));
        for (Precision precision : Precision.values()) {
            if (Devices.has(options.device(), precision)) {
                ways(precision).forEach((way, settings) -> compare(net, exact, precision, way, settings));
            }
        }
    }

    private static Path net(Path model) {
        Path file = model.resolveSibling(model.getFileName() + "-control.safetensors");
        return RandomControlNet.write(file, Checkpoint.open(model, null).transformer());
    }

    /** 8-bit numbers that are made when weights are loaded cannot be streamed. */
    private Map<String, UnaryOperator<PipelineBuilder>> ways(Precision precision) {
        boolean gpu = options.device().kind() != Device.Kind.CPU;
        Map<String, UnaryOperator<PipelineBuilder>> ways = new LinkedHashMap<>();
        ways.put("resident", builder -> builder);
        if (gpu) {
            ways.put("recorded", builder -> builder.compileTransformer(true));
        }
        if (precision.bytes() > 1) {
            Placement streamed = gpu ? Placement.streamedFrom(Device.cpu()) : Placement.streamedFromDisk();
            ways.put(
                    "streamed",
                    builder -> builder.place(Component.TRANSFORMER, streamed).place(Component.CONTROLNET, streamed));
        }
        return ways;
    }

    private void compare(
            Path net,
            List<GeneratedImage> exact,
            Precision precision,
            String way,
            UnaryOperator<PipelineBuilder> settings) {
        Map<String, Object> line = Findings.line(NAME, "way", way);
        line.put("precision", precision.name());
        try {
            PipelineBuilder builder = builder(options.smallModel(), net, options.device(), precision);
            judge(exact, draw(settings.apply(builder)), precision, line);
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        findings.report(line);
    }

    private void judge(
            List<GeneratedImage> exact, List<GeneratedImage> drawn, Precision precision, Map<String, Object> line) {
        GeneratedImage base = drawn.get(0);
        GeneratedImage controlled = drawn.get(1);
        double effect = FidelityPart.relativeError(List.of(base), List.of(controlled));
        line.put("effect", Math.round(effect * 1e4) / 1e4);
        double error = FidelityPart.relativeError(List.of(exact.get(1)), List.of(controlled));
        FidelityPart.judge(error, precision, options.isTrained(), line);
        if (!(effect > 2 * error)) {
            line.put("error", "the control picture does %.3g, and the error is %.3g".formatted(effect, error));
        }
        if (!Arrays.equals(base.latents().values(), drawn.get(2).latents().values())) {
            line.put("error", "scale 0 gives another picture than no control picture");
        }
        if (!Arrays.equals(controlled.latents().values(), drawn.get(3).latents().values())) {
            line.put("error", "the same request gives another picture the second time");
        }
    }

    private static List<GeneratedImage> draw(PipelineBuilder builder) {
        ControlImage control = ControlImage.of(picture(SIDE)).scale(1);
        try (ZImagePipeline pipeline = builder.build()) {
            List<GeneratedImage> images = new ArrayList<>();
            images.add(pipeline.generate(request(SIDE, 4, List.of())));
            images.add(pipeline.generate(request(SIDE, 4, List.of(control))));
            images.add(pipeline.generate(request(SIDE, 4, List.of(control.scale(0)))));
            images.add(pipeline.generate(request(SIDE, 4, List.of(control))));
            return images;
        }
    }

    /** Times steps with and without a ControlNet of the kind Union 2.1, in turns. */
    void time() {
        Path net = net(options.model());
        for (Precision precision : List.of(Precision.BF16, Precision.FP8)) {
            if (Devices.has(options.device(), precision)) {
                time(net, precision);
            }
        }
    }

    private void time(Path net, Precision precision) {
        Map<String, Object> line = Findings.line(TIMES, "precision", precision.name());
        int size = options.largestSize();
        line.put("size", size);
        int steps = Math.max(4, options.steps());
        GenerationRequest without = request(size, steps, List.of());
        GenerationRequest with = request(size, steps, List.of(ControlImage.of(picture(size))));
        try (ZImagePipeline pipeline = builder(options.model(), net, options.device(), precision)
                .planFor(with)
                .build()) {
            pipeline.generate(without);
            pipeline.generate(with);
            List<Duration> plain = new ArrayList<>();
            List<Duration> controlled = new ArrayList<>();
            for (int run = 0; run < RUNS; run++) {
                plain.addAll(steps(pipeline.generate(without)));
                controlled.addAll(steps(pipeline.generate(with)));
            }
            line.put("step_s", seconds(median(plain)));
            line.put("control_step_s", seconds(median(controlled)));
            line.put(
                    "control_costs",
                    Math.round(1e4
                                            * median(controlled).toNanos()
                                            / median(plain).toNanos())
                                    / 1e4
                            - 1);
            line.put("planned", pipeline.plan(with).peaks().phases().toString());
            pipeline.measuredPeaks()
                    .ifPresent(peaks -> line.put("measured", peaks.phases().toString()));
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        findings.report(line);
    }

    /** The first steps of a picture launch more than the GPU has done. */
    private static List<Duration> steps(GeneratedImage image) {
        List<Duration> all = image.timings().steps();
        return all.subList(Math.min(2, all.size() - 1), all.size());
    }

    private static Duration median(List<Duration> times) {
        List<Duration> sorted = new ArrayList<>(times);
        Collections.sort(sorted);
        return sorted.get(sorted.size() / 2);
    }

    private static SourceImage picture(int side) {
        BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.drawOval(side / 4, side / 4, side / 2, side / 2);
        graphics.drawLine(0, side / 2, side, side / 3);
        graphics.dispose();
        return SourceImage.of(image);
    }

    private static GenerationRequest request(int side, int steps, List<ControlImage> controls) {
        return GenerationRequest.builder()
                .prompt("a red fox on grass")
                .size(side, side)
                .steps(steps)
                .seed(1)
                .controls(controls)
                .build();
    }

    private static PipelineBuilder builder(Path model, Path net, Device on, Precision precision) {
        PipelineBuilder builder =
                ZImagePipeline.builder().model(model).controlNet(net).device(on);
        for (Component component : List.of(Component.TEXT_ENCODER, Component.TRANSFORMER, Component.VAE)) {
            builder.precision(
                    component, component.equals(Component.VAE) && precision.bytes() == 1 ? Precision.BF16 : precision);
        }
        return builder;
    }

    private static double seconds(Duration duration) {
        return Math.round(duration.toNanos() / 1e5) / 1e4;
    }
}
