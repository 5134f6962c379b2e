package io.github.zimage.bench;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.placement.Device;
import io.github.zimage.upscale.Upscaler;
import io.github.zimage.upscale.UpscalerModel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Enlarges a picture by a network of Real-ESRGAN x4plus's size on the CPU and on the GPU, and says how far apart the levels are; then pictures that the small
 * model draws, and says how long that takes and what memory it takes beside what was planned.
 */
final class UpscalePart {
    static final String NAME = "upscale";

    private static final int SIDE = 96;
    private static final int RUNS = 3;

    /** A level off in each tenth sample is 58 dB; BF16 keeps 8 bits through some 350 convolutions. */
    private static final Map<Precision, Double> LEAST = Map.of(Precision.FP32, 58.0, Precision.BF16, 30.0);

    private final CheckOptions options;
    private final Findings findings;

    UpscalePart(CheckOptions options, Findings findings) {
        this.options = options;
        this.findings = findings;
    }

    void run() {
        Path file = options.smallModel().resolveSibling("random-upscaler.safetensors");
        UpscalerModel model = UpscalerModel.read(RandomUpscaler.write(file));
        compare(model);
        for (Precision precision : List.of(Precision.BF16, Precision.FP32)) {
            for (int size : options.sizes()) {
                time(model, precision, size);
            }
        }
    }

    private void compare(UpscalerModel model) {
        byte[] exact = enlarged(model, Device.cpu(), Precision.FP32);
        LEAST.forEach((precision, least) -> {
            Map<String, Object> line = Findings.line(NAME, "precision", precision.name());
            double decibels = Psnr.decibels(enlarged(model, options.device(), precision), exact);
            line.put("psnr_db", Double.isInfinite(decibels) ? "same" : Math.round(decibels * 10) / 10.0);
            if (decibels < least) {
                line.put(
                        "error", "PSNR beside FP32 on the CPU is %.1f dB, not %.0f or more".formatted(decibels, least));
            }
            findings.report(line);
        });
    }

    private static byte[] enlarged(UpscalerModel model, Device on, Precision precision) {
        try (Upscaler upscaler = Upscaler.load(model, on, precision)) {
            return SourceImage.of(upscaler.upscale(ImageToImagePart.picture(SIDE)))
                    .rgb();
        }
    }

    private void time(UpscalerModel model, Precision precision, int size) {
        Map<String, Object> line = Findings.line(NAME, "size", size);
        line.put("precision", precision.name());
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a red fox")
                .size(size, size)
                .steps(1)
                .seed(1)
                .upscaler(model)
                .build();
        List<Double> seconds = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onUpscale(int index, int count, Duration elapsed) {
                seconds.add(Math.round(elapsed.toNanos() / 1e5) / 1e4);
            }
        };
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .model(options.smallModel())
                .device(options.device())
                .precision(Component.UPSCALER, precision)
                .planFor(request)
                .build()) {
            for (int run = 0; run <= RUNS; run++) {
                pipeline.generateAll(request, listener);
            }
            line.put("upscale_s", seconds.subList(1, seconds.size()));
            line.put("planned_gib", ImageToImagePart.gib(pipeline.plan(request).peaks()));
            pipeline.measuredPeaks().ifPresent(peaks -> line.put("measured_gib", ImageToImagePart.gib(peaks)));
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        findings.report(line);
    }
}
