package io.github.zimage.bench;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.ImageToImage.MaskMode;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/**
 * Draws from pictures: with the small model on the CPU and on the card, from the same noise, and says how far apart the latents are; with the full-size
 * one, and says how long encoding takes beside decoding and how much memory beside the plan.
 */
final class ImageToImagePart {
    /** Compares with the small model. */
    static final String NAME = "img2img";

    /** Times with the full-size model. */
    static final String TIMES = "img2img-times";

    private static final String PROMPT = "a red fox on grass";
    private static final int SIDE = 128;
    private static final int RUNS = 3;

    private final CheckOptions options;
    private final Findings findings;

    ImageToImagePart(CheckOptions options, Findings findings) {
        this.options = options;
        this.findings = findings;
    }

    /** Draws each kind of image-to-image on the CPU in FP32, and on the card in FP32 and BF16. */
    void compare() {
        Map<String, ImageToImage> kinds = new LinkedHashMap<>();
        ImageToImage imageToImage = ImageToImage.of(picture(SIDE));
        kinds.put("img2img", imageToImage.strength(0.5));
        for (MaskMode mode : MaskMode.values()) {
            kinds.put(
                    mode.name().toLowerCase(Locale.ROOT),
                    imageToImage.mask(mask(SIDE)).maskMode(mode));
        }
        Map<String, GeneratedImage> exact = draw(kinds, Device.cpu(), Precision.FP32);
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            Map<String, GeneratedImage> drawn = draw(kinds, options.device(), precision);
            kinds.forEach((name, each) -> {
                Map<String, Object> line = Findings.line(NAME, "kind", name);
                line.put("precision", precision.name());
                GeneratedImage image = Objects.requireNonNull(drawn.get(name));
                double error =
                        FidelityPart.relativeError(List.of(Objects.requireNonNull(exact.get(name))), List.of(image));
                FidelityPart.judge(error, precision, options.isTrained(), line);
                if (each.mask() != null && !keepsLeftHalf(each, image)) {
                    line.put("error", "pixels outside the mask are not the picture's");
                }
                findings.report(line);
            });
        }
    }

    private Map<String, GeneratedImage> draw(Map<String, ImageToImage> kinds, Device on, Precision precision) {
        Map<String, GeneratedImage> drawn = new LinkedHashMap<>();
        try (ZImagePipeline pipeline =
                builder(options.smallModel(), on).precision(precision).build()) {
            kinds.forEach((name, imageToImage) -> drawn.put(name, pipeline.generate(request(imageToImage, SIDE))));
        }
        return drawn;
    }

    private static boolean keepsLeftHalf(ImageToImage imageToImage, GeneratedImage drawn) {
        SourceImage source = imageToImage.image();
        if (source == null) {
            return false;
        }
        byte[] old = source.rgb();
        byte[] rgb = drawn.rgb();
        for (int i = 0; i < rgb.length; i++) {
            if (i / 3 % drawn.width() < drawn.width() / 2 && rgb[i] != old[i]) {
                return false;
            }
        }
        return true;
    }

    /** Times encoding and decoding with the full-size model, and reports what each phase had in memory beside what was planned. */
    void time() {
        for (int size : options.sizes()) {
            GenerationRequest request = request(ImageToImage.of(picture(size)).strength(0.5), size);
            try (ZImagePipeline pipeline =
                    builder(options.model(), options.device()).planFor(request).build()) {
                pipeline.generate(request); // what is made once is made, and the prompt is known
                List<Double> encode = new ArrayList<>();
                List<Double> decode = new ArrayList<>();
                for (int i = 0; i < RUNS; i++) {
                    GeneratedImage image = pipeline.generate(request);
                    encode.add(seconds(image.timings().encode()));
                    decode.add(seconds(image.timings().decode()));
                }
                Map<String, Object> line = Findings.line(TIMES, "size", size);
                line.put("encode_s", encode);
                line.put("decode_s", decode);
                line.put("planned_gib", gib(pipeline.plan(request).peaks()));
                pipeline.measuredPeaks().ifPresent(peaks -> line.put("measured_gib", gib(peaks)));
                findings.report(line);
            }
        }
    }

    private GenerationRequest request(ImageToImage imageToImage, int size) {
        return GenerationRequest.builder()
                .prompt(PROMPT)
                .size(size, size)
                .steps(options.steps())
                .seed(1)
                .imageToImage(imageToImage)
                .build();
    }

    private static PipelineBuilder builder(Path model, Device on) {
        return ZImagePipeline.builder().model(model).device(on);
    }

    /** Returns a picture with even parts, ramps and grain. */
    static SourceImage picture(int side) {
        Random random = new Random(1);
        BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < side * side; i++) {
            int x = i % side;
            int y = i / side;
            int grain = random.nextInt(16);
            int red = x < side / 3 ? 200 : 220 * y / side + grain;
            image.setRGB(x, y, red << 16 | (220 * x / side + grain) << 8 | (y < side / 2 ? 40 : 180));
        }
        return SourceImage.of(image);
    }

    /** Returns a mask whose left half is black, and whose right half goes from grey to white. */
    private static SourceImage mask(int side) {
        BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < side * side; i++) {
            int light = 256 * (i % side) / side;
            image.setRGB(i % side, i / side, light < 128 ? 0 : light << 16 | light << 8 | light);
        }
        return SourceImage.of(image);
    }

    private static double seconds(Duration duration) {
        return Math.round(duration.toNanos() / 1e5) / 1e4;
    }

    /** Returns the bytes of each phase in GiB. */
    static Map<String, Double> gib(MemoryPlan.Peaks peaks) {
        Map<String, Double> gib = new LinkedHashMap<>();
        peaks.phases().forEach((phase, bytes) -> gib.put(phase, Math.round(bytes / 1e5 / 1.073741824) / 1e4));
        return gib;
    }
}
