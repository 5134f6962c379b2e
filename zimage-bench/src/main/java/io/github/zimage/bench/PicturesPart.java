package io.github.zimage.bench;

import static io.github.zimage.bench.Findings.median;
import static io.github.zimage.bench.Findings.round;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.device.Card;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.pytorch.global.torch;

/** Draws with the full-size model, and says how long everything takes and how much of the card's memory. */
final class PicturesPart {
    private static final String PROMPT = "a red fox in the snow, early morning light";
    private static final int WARM_UPS = 2;
    private static final int RUNS = 3;
    private static final int TOGETHER = 8;
    private static final String PROFILE = "profile=true";
    private static final int DIGEST_BYTES = 8;

    private final CheckOptions options;
    private final Findings findings;
    private final String part;

    /**
     * Draws nothing yet.
     *
     * @param part {@code PRECISION[:OPTION...]}, as the command takes it
     */
    PicturesPart(CheckOptions options, Findings findings, String part) {
        this.options = options;
        this.findings = findings;
        this.part = part;
    }

    void run() {
        List<String> words = Arrays.asList(part.split(":", 2));
        Precision precision = Precision.valueOf(words.get(0).toUpperCase(Locale.ROOT));
        List<String> settings =
                words.size() == 1 ? List.of() : Arrays.asList(words.get(1).split(","));
        if (settings.contains(PROFILE) && options.device().kind() == Device.Kind.CPU) {
            throw new IllegalArgumentException(
                    PROFILE + " tells of kernels on cards, but the device is " + options.device());
        }
        PipelineBuilder builder = ZImagePipeline.builder()
                .model(options.model())
                .device(options.device())
                .precision(Component.TRANSFORMER, precision)
                .planFor(request(options.largestSize(), 1));
        settings.stream().filter(setting -> !setting.equals(PROFILE)).forEach(setting -> apply(setting, builder));
        draw(builder, settings);
        reportBase();
    }

    private void draw(PipelineBuilder builder, List<String> settings) {
        long before = System.nanoTime();
        try (ZImagePipeline pipeline = builder.build()) {
            double load = secondsSince(before);
            for (int size : options.sizes()) {
                Map<String, Object> line = Findings.line(part, "size", size);
                line.put("steps", options.steps());
                line.put("load_s", round(load));
                measure(pipeline, size, line);
                findings.report(line);
                if (part.contains("devices=")) {
                    drawTogether(pipeline, size);
                }
            }
            if (settings.contains(PROFILE)) {
                profile(pipeline);
            }
        }
    }

    /** Reports the kernels that a step of the largest size takes most time with: those of two steps without those of one. */
    private void profile(ZImagePipeline pipeline) {
        pipeline.generate(request(options.largestSize(), 0, 1)); // whose prompt is encoded now, and for the next two
        Map<String, KernelTrace.Total> one =
                KernelTrace.of(() -> pipeline.generate(request(options.largestSize(), 0, 1)));
        Map<String, KernelTrace.Total> two =
                KernelTrace.of(() -> pipeline.generate(request(options.largestSize(), 0, 2)));
        for (Map<String, Object> kernel : KernelShares.ofOneStep(one, two)) {
            Map<String, Object> line = Findings.line(part, "size", options.largestSize());
            line.putAll(kernel);
            line.computeIfPresent("kernel", (key, name) -> torch.demangle((String) name));
            findings.report(line);
        }
    }

    /** Reports what is in use of a card though no tensor is: by CUDA, which the plan counts but the allocator's peaks do not. */
    private void reportBase() {
        Device used = options.device();
        if (used.kind() != Device.Kind.CPU) {
            Card card = Devices.card(used);
            findings.report(Findings.line(part, "base_gib", gib(card.totalBytes() - card.freeBytes())));
        }
    }

    private static Component component(String name) {
        return Component.values().stream()
                .filter(component -> component.id().equalsIgnoreCase(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no component " + name));
    }

    private static void apply(String setting, PipelineBuilder builder) {
        String[] pair = setting.split("=", 2);
        switch (pair[0]) {
            case "attention" -> builder.attention(new AttentionBackend(pair[1]));
            case "memory" -> builder.memoryBudget(MemorySize.parse(pair[1]));
            case "compile" -> builder.compileTransformer(Boolean.parseBoolean(pair[1]));
            case "place" -> {
                String[] place = pair[1].split("/", 2);
                builder.place(component(place[0]), Placement.parse(place[1]));
            }
            case "devices" ->
                builder.devices(
                        Arrays.stream(pair[1].split("\\+")).map(Device::parse).toList());
            default -> throw new IllegalArgumentException("no option " + setting);
        }
    }

    private void measure(ZImagePipeline pipeline, int size, Map<String, Object> line) {
        List<Double> pictures = new ArrayList<>();
        List<Double> texts = new ArrayList<>();
        List<Double> denoise = new ArrayList<>();
        List<Double> decode = new ArrayList<>();
        List<Double> stepTimes = new ArrayList<>();
        String picture = "";
        for (int run = 0; run < WARM_UPS + RUNS; run++) {
            long before = System.nanoTime();
            GeneratedImage image = pipeline.generate(request(size, run));
            double seconds = secondsSince(before);
            picture = digest(image.rgb());
            if (run == 0) {
                line.put("first_s", round(seconds));
            }
            if (run >= WARM_UPS) {
                pictures.add(seconds);
                texts.add(seconds(image.timings().encode()));
                denoise.add(seconds(image.timings().denoise()));
                decode.add(seconds(image.timings().decode()));
                image.timings().steps().forEach(step -> stepTimes.add(1000 * seconds(step)));
            }
        }
        line.put("text_s", median(texts));
        line.put("denoise_s", median(denoise));
        line.put("step_ms", median(stepTimes));
        line.put("decode_s", median(decode));
        line.put("picture_s", median(pictures));
        peaks("planned_gib", pipeline.plan(request(size, 0)).peaks(), line);
        pipeline.measuredPeaks().ifPresent(peaks -> peaks("peak_gib", peaks, line));
        line.put("attention", pipeline.attentionBackend());
        line.put("picture", picture);
    }

    /** Returns the first digits of the SHA-256 of a picture: the same for those that are equal to the last bit. */
    private static String digest(byte[] rgb) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(rgb);
            return HexFormat.of().formatHex(digest, 0, DIGEST_BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JVM has SHA-256", e);
        }
    }

    /** Draws pictures that several devices share, twice, and the last of them alone, which must be the same. */
    private void drawTogether(ZImagePipeline pipeline, int size) {
        GenerationRequest several = request(size, 0).toBuilder().count(TOGETHER).build();
        pipeline.generateAll(several);
        long before = System.nanoTime();
        List<GeneratedImage> drawn = pipeline.generateAll(several);
        double seconds = secondsSince(before);
        Map<String, Object> line = Findings.line(part, "size", size);
        line.put("pictures", TOGETHER);
        line.put("pictures_s", round(seconds));
        GeneratedImage last = drawn.get(TOGETHER - 1);
        GenerationRequest alone =
                request(size, 0).toBuilder().seed(several.seedOf(TOGETHER - 1)).build();
        if (!digest(last.rgb()).equals(digest(pipeline.generate(alone).rgb()))) {
            line.put("error", "a picture that was drawn with others is not the one that is drawn alone");
        }
        findings.report(line);
    }

    /** Another prompt each time, since embeddings are remembered; as many tokens, and the same seed. */
    private GenerationRequest request(int size, int run) {
        return request(size, run, options.steps());
    }

    private static GenerationRequest request(int size, int run, int steps) {
        return GenerationRequest.builder()
                .prompt(PROMPT + " " + run)
                .size(size, size)
                .steps(steps)
                .seed(1)
                .build();
    }

    private static void peaks(String name, MemoryPlan.Peaks peaks, Map<String, Object> line) {
        line.put(name, peaks.phases().values().stream().map(PicturesPart::gib).toList());
    }

    private static double secondsSince(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1e9;
    }

    private static double seconds(Duration duration) {
        return duration.toNanos() / 1e9;
    }

    private static double gib(long bytes) {
        return round(bytes / (double) (1 << 30));
    }
}
