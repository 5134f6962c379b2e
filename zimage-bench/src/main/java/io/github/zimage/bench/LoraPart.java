package io.github.zimage.bench;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Lora;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.Placement;
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
 * Draws with a LoRA: with the small model on the CPU and on the card, in every precision, with weights that stay, are streamed, and recorded, and
 * says how far apart the latents are; with the full-size one, and says what a step takes with it and without, and what it takes to come and go.
 */
final class LoraPart {
    /** Compares with the small model. */
    static final String NAME = "lora";

    /** Times with the full-size model. */
    static final String TIMES = "lora-times";

    private static final String PROMPT = "a red fox on grass";
    private static final int SIDE = 128;
    private static final int SMALL_RANK = 4;
    private static final int RANK = 32;
    private static final int RUNS = 4;

    private final CheckOptions options;
    private final Findings findings;

    LoraPart(CheckOptions options, Findings findings) {
        this.options = options;
        this.findings = findings;
    }

    private static Lora lora(Path model, int rank) {
        Path file = model.resolveSibling(model.getFileName() + "-rank-" + rank + ".safetensors");
        return Lora.of(RandomLora.write(file, Checkpoint.open(model, null), rank))
                .strict();
    }

    /** 8-bit numbers that are made when weights are loaded cannot be streamed. */
    private Map<String, UnaryOperator<PipelineBuilder>> ways(Precision precision) {
        boolean card = options.device().kind() != Device.Kind.CPU;
        Map<String, UnaryOperator<PipelineBuilder>> ways = new LinkedHashMap<>();
        ways.put("resident", builder -> builder);
        if (card) {
            ways.put("recorded", builder -> builder.compileTransformer(true));
        }
        if (precision.bytes() > 1) {
            Placement streamed = card ? Placement.streamedFrom(Device.cpu()) : Placement.streamedFromDisk();
            ways.put("streamed", builder -> builder.place(Component.TRANSFORMER, streamed));
        }
        return ways;
    }

    /** Draws on the CPU in FP32, and on the card in every precision and way, without a LoRA, with one, and without again. */
    void compare() {
        Lora lora = lora(options.smallModel(), SMALL_RANK);
        List<GeneratedImage> exact = draw(builder(options.smallModel(), Device.cpu(), Precision.FP32), lora);
        for (Precision precision : Precision.values()) {
            if (!Devices.has(options.device(), precision)) {
                continue;
            }
            ways(precision).forEach((way, settings) -> {
                Map<String, Object> line = Findings.line(NAME, "way", way);
                line.put("precision", precision.name());
                try {
                    PipelineBuilder builder = builder(options.smallModel(), options.device(), precision);
                    List<GeneratedImage> drawn = draw(settings.apply(builder), lora);
                    judge(exact, drawn, precision, line);
                } catch (RuntimeException e) {
                    line.put("error", String.valueOf(e.getMessage()));
                }
                findings.report(line);
            });
        }
    }

    private void judge(
            List<GeneratedImage> exact, List<GeneratedImage> drawn, Precision precision, Map<String, Object> line) {
        GeneratedImage base = drawn.get(0);
        GeneratedImage adapted = drawn.get(1);
        double effect = FidelityPart.relativeError(List.of(base), List.of(adapted));
        double error = FidelityPart.relativeError(List.of(exact.get(1)), List.of(adapted));
        line.put("effect", Math.round(effect * 1e4) / 1e4);
        FidelityPart.judge(error, precision, options.isTrained(), line);
        if (!(effect > 4 * error)) {
            line.put("error", "the LoRA does %.3g, and the error is %.3g".formatted(effect, error));
        }
        if (!Arrays.equals(base.latents().values(), drawn.get(2).latents().values())) {
            line.put("error", "the picture without the LoRA is another one after it");
        }
    }

    private List<GeneratedImage> draw(PipelineBuilder builder, Lora lora) {
        try (ZImagePipeline pipeline = builder.build()) {
            List<GeneratedImage> images = new ArrayList<>();
            for (List<Lora> each : List.of(List.<Lora>of(), List.of(lora), List.<Lora>of())) {
                images.add(pipeline.generate(request(SIDE, each)));
            }
            return images;
        }
    }

    /** Times steps with and without a LoRA of rank 32 on all matrices of blocks, in turns, and what the first request with it takes more. */
    void time() {
        Lora lora = lora(options.model(), RANK);
        for (boolean compiled : List.of(false, true)) {
            for (Precision precision : List.of(Precision.BF16, Precision.FP8, Precision.INT8)) {
                if (Devices.has(options.device(), precision)) {
                    time(lora, precision, compiled);
                }
            }
        }
    }

    private void time(Lora lora, Precision precision, boolean compiled) {
        Map<String, Object> line = Findings.line(TIMES, "precision", precision.name());
        line.put("compiled", compiled);
        int size = options.largestSize();
        line.put("size", size);
        try (ZImagePipeline pipeline = builder(options.model(), options.device(), precision)
                .compileTransformer(compiled)
                .planFor(request(size, List.of(lora)))
                .build()) {
            pipeline.generate(request(size, List.of()));
            long begun = System.nanoTime();
            GeneratedImage first = pipeline.generate(request(size, List.of(lora)));
            line.put("first_s", seconds(Duration.ofNanos(System.nanoTime() - begun)));
            line.put("first_encode_s", seconds(first.timings().encode()));
            line.put("swap_s", seconds(swap(pipeline, lora, size)));
            List<Duration> without = new ArrayList<>();
            List<Duration> with = new ArrayList<>();
            for (int run = 0; run < RUNS; run++) {
                without.addAll(steps(pipeline.generate(request(size, List.of()))));
                // Its second picture: where it is recorded, the first one is not replayed from the beginning.
                pipeline.generate(request(size, List.of(lora)));
                with.addAll(steps(pipeline.generate(request(size, List.of(lora)))));
            }
            line.put("step_s", seconds(median(without)));
            line.put("lora_step_s", seconds(median(with)));
            line.put(
                    "lora_costs",
                    Math.round(1e4 * median(with).toNanos() / median(without).toNanos()) / 1e4 - 1);
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        findings.report(line);
    }

    /** Returns what a picture takes more if another LoRA comes with it than if it was there before; prompts are encoded already. */
    private Duration swap(ZImagePipeline pipeline, Lora lora, int size) {
        List<Duration> more = new ArrayList<>();
        for (double weight : List.of(0.9, 0.8, 0.7)) {
            GenerationRequest request = request(size, List.of(lora.weight(weight)));
            pipeline.generate(request(size, List.of()));
            long begun = System.nanoTime();
            pipeline.generate(request);
            long between = System.nanoTime();
            pipeline.generate(request);
            more.add(Duration.ofNanos(2 * between - begun - System.nanoTime()));
        }
        return median(more);
    }

    /** The first steps of a picture are of other kinds: the first orders more than the card has done. */
    private static List<Duration> steps(GeneratedImage image) {
        List<Duration> all = image.timings().steps();
        return all.subList(Math.min(2, all.size() - 1), all.size());
    }

    private static Duration median(List<Duration> times) {
        List<Duration> sorted = new ArrayList<>(times);
        Collections.sort(sorted);
        return sorted.get(sorted.size() / 2);
    }

    private GenerationRequest request(int size, List<Lora> loras) {
        return GenerationRequest.builder()
                .prompt(PROMPT)
                .size(size, size)
                .steps(Math.max(4, options.steps()))
                .seed(1)
                .loras(loras)
                .build();
    }

    private static PipelineBuilder builder(Path model, Device on, Precision precision) {
        PipelineBuilder builder = ZImagePipeline.builder().model(model).device(on);
        for (Component component : Component.values()) {
            builder.precision(
                    component, component.equals(Component.VAE) && precision.bytes() == 1 ? Precision.BF16 : precision);
        }
        return builder;
    }

    private static double seconds(Duration duration) {
        return Math.round(duration.toNanos() / 1e5) / 1e4;
    }
}
