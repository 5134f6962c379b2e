package io.github.zimage.bench;

import static io.github.zimage.bench.Findings.round;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Nag;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.placement.Device;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** Draws with the small model on the CPU and on the card, from the same noise, and says how far apart the pictures are. */
final class FidelityPart {
    static final String NAME = "fidelity";

    /** With the tiny model of random weights, where another prompt makes 0.08: the order of additions makes 3e-7 on the CPU. */
    private static final double FP32_LIMIT = 1e-4;
    /** Likewise: 0.002 to 0.004 on the CPU. */
    private static final double BF16_LIMIT = 0.02;
    /** Likewise: 0.007 to 0.014 on the CPU with integers; floating-point numbers have a bit less. */
    private static final double EIGHT_BIT_LIMIT = 0.05;
    /** A trained model draws apart what differs a little: to 0.12 in BF16 on the CPU and 0.26 in 8 bits on an H100, the demo model. */
    private static final double TRAINED = 10;

    /** Stands for equal pictures. */
    private static final double LEAST_ERROR = 1e-9;

    private final CheckOptions options;
    private final Findings findings;

    FidelityPart(CheckOptions options, Findings findings) {
        this.options = options;
        this.findings = findings;
    }

    void run() {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a red fox on grass")
                .size(128, 128)
                .steps(options.steps())
                .seed(1)
                .count(4)
                .build();
        compare(request);
        compare(request.toBuilder()
                .negativePrompt("a red fox in the snow, at night, far away")
                .nag(Nag.DEFAULT)
                .build());
    }

    private void compare(GenerationRequest request) {
        List<GeneratedImage> exact =
                draw(request, builder -> builder.device(Device.cpu()).precision(Precision.FP32));
        Device card = options.device();
        for (Precision precision : Precision.values()) {
            if (precision != Precision.FP32 && Devices.has(Device.cpu(), precision)) {
                compare(exact, request, precision, Device.cpu());
            }
            if (Devices.has(card, precision)) {
                compare(exact, request, precision, card);
            }
        }
    }

    private void compare(List<GeneratedImage> exact, GenerationRequest request, Precision precision, Device on) {
        Map<String, Object> line = Findings.line(NAME, "device", on.toString());
        line.put("precision", precision.name());
        line.put("nag", request.nag().isOn());
        try {
            List<GeneratedImage> drawn = draw(request, builder -> {
                builder.device(on);
                for (Component component : Component.values()) {
                    builder.precision(
                            component,
                            component.equals(Component.VAE) && precision.bytes() == 1 ? Precision.BF16 : precision);
                }
            });
            judge(relativeError(exact, drawn), precision, options.isTrained(), line);
            line.put("psnr", round(psnr(exact, drawn)));
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        findings.report(line);
    }

    /**
     * Notes how far latents are from those of FP32 on the CPU, and an error if that is further than the precision explains.
     *
     * @param error the relative error, which may be no number
     * @param trained whether the model's weights are other than random
     */
    static void judge(double error, Precision precision, boolean trained, Map<String, Object> line) {
        double limit = (trained ? TRAINED : 1)
                * switch (precision) {
                    case FP32 -> FP32_LIMIT;
                    case BF16 -> BF16_LIMIT;
                    case INT8, FP8 -> EIGHT_BIT_LIMIT;
                };
        line.put("latents", round(error));
        if (!(error <= limit)) {
            line.put("error", "the latents' relative error %.3g is more than %.3g".formatted(error, limit));
        }
    }

    private List<GeneratedImage> draw(GenerationRequest request, Consumer<PipelineBuilder> settings) {
        PipelineBuilder builder = ZImagePipeline.builder().model(options.smallModel());
        settings.accept(builder);
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generateAll(request);
        }
    }

    /** Returns how far latents are from others, as a part of their length. */
    static double relativeError(List<GeneratedImage> exact, List<GeneratedImage> drawn) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < exact.size(); i++) {
            float[] a = exact.get(i).latents().values();
            float[] b = drawn.get(i).latents().values();
            for (int j = 0; j < a.length; j++) {
                difference += (a[j] - b[j]) * (double) (a[j] - b[j]);
                size += a[j] * (double) a[j];
            }
        }
        return Math.sqrt(difference / size);
    }

    /** Returns the ratio for the mean error of all pictures, a finite number even for none, as JSON wants it. */
    private static double psnr(List<GeneratedImage> exact, List<GeneratedImage> drawn) {
        double error = IntStream.range(0, exact.size())
                .mapToDouble(i ->
                        Psnr.meanSquaredError(exact.get(i).rgb(), drawn.get(i).rgb()))
                .average()
                .orElseThrow();
        return Psnr.decibels(Math.max(error, LEAST_ERROR));
    }
}
