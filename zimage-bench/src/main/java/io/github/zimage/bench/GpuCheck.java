package io.github.zimage.bench;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Device;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.MemoryPlan;
import io.github.zimage.MemorySize;
import io.github.zimage.Placement;
import io.github.zimage.Precision;
import io.github.zimage.RuntimeInfo;
import io.github.zimage.SyntheticModel;
import io.github.zimage.SyntheticModel.Size;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.device.Devices;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Checks and times zimage on a graphics card: pictures of a small model beside those of the CPU, and pictures of a full-size one in every
 * precision, with every attention backend, and in less and less memory. Each part runs in a JVM of its own, so that one that fails does
 * not end the others. Writes a line of JSON for each figure and for each part that failed, and prints all of them as a table.
 */
@Command(
        name = "gpu-check",
        description = "Checks and times zimage on a graphics card. Each part runs in a JVM of its own.",
        mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class GpuCheck implements Callable<Integer> {
    private static final ObjectMapper JSON = JsonMapper.builder().build();
    private static final String PROMPT = "a red fox in the snow, early morning light";
    private static final int WARM_UPS = 2;
    private static final int RUNS = 3;
    /** The part that comes before all others: without the card none of them can be done. */
    private static final String DEVICE = "device";

    private static final String FIDELITY = "fidelity";

    private static final int REPORTED = 1;

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

    @Option(
            names = "--limit",
            defaultValue = "120",
            paramLabel = "SECONDS",
            description = "A part that takes longer is ended (default: ${DEFAULT-VALUE}).")
    private long limitSeconds;

    @Option(names = "--here", hidden = true)
    private boolean here;

    @Parameters(
            paramLabel = "PART",
            description =
                    "fidelity, or PRECISION[:OPTION...] where the options are attention=NAME, memory=SIZE, compile=true and place=COMPONENT/PLACEMENT,"
                            + " such as bf16:attention=flash or bf16:memory=4g (default: a choice of all).")
    private List<String> parts = List.of(
            "fidelity",
            "bf16",
            "bf16:compile=true",
            "bf16:attention=flash",
            "fp8",
            "fp8:compile=true",
            "int8",
            "int8:compile=true",
            "bf16:place=transformer/stream:cpu",
            "bf16:memory=16g",
            "bf16:memory=8g",
            "bf16:memory=4g");

    /** Runs the command and ends the JVM. */
    static void main(List<String> args) {
        System.exit(commandLine().execute(args.toArray(String[]::new)));
    }

    static CommandLine commandLine() {
        return new CommandLine(new GpuCheck()).setExecutionExceptionHandler((e, commandLine, result) -> {
            commandLine.getErr().println("gpu-check: " + e.getMessage());
            return REPORTED;
        });
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (here) {
            for (String part : parts) {
                run(part);
            }
            return 0;
        }
        Files.writeString(out, "");
        if (!spawn(DEVICE)) {
            System.out.println("Nothing can be checked without the device.");
            return REPORTED;
        }
        int failures = 0;
        for (String part : parts) {
            if (!part.equals(DEVICE)) {
                make(part.equals(FIDELITY) ? smallModel() : model, part.equals(FIDELITY) ? Size.TINY : Size.TURBO);
                failures += spawn(part) ? 0 : 1;
            }
        }
        System.out.print(table(Files.readAllLines(out, StandardCharsets.UTF_8)));
        return failures;
    }

    private static void make(Path folder, Size size) {
        if (!Files.exists(folder.resolve("model_index.json"))) {
            SyntheticModel.write(folder, size, Precision.BF16, 1, done -> {});
        }
    }

    private Path smallModel() {
        return smallModel == null ? model.resolveSibling(model.getFileName() + "-small") : smallModel;
    }

    private boolean spawn(String part) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path")));
        System.getProperties().stringPropertyNames().stream()
                .filter(name -> name.startsWith("org.bytedeco.") || name.startsWith("zimage."))
                .forEach(name -> command.add("-D%s=%s".formatted(name, System.getProperty(name))));
        command.addAll(List.of(Main.class.getName(), "gpu-check", "--here", "--model", model.toString()));
        command.addAll(List.of("--small-model", smallModel().toString()));
        command.addAll(List.of("--device", device, "--steps", Integer.toString(steps), "--out", out.toString()));
        command.addAll(List.of(
                "--sizes", String.join(",", sizes.stream().map(String::valueOf).toList()), part));
        long start = System.nanoTime();
        Process process = new ProcessBuilder(command).inheritIO().start();
        boolean ended = process.waitFor(limitSeconds, TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly().waitFor();
        }
        String end = !ended
                ? "ended after %d s".formatted(limitSeconds)
                : process.exitValue() == 0 ? "done" : "failed with exit code " + process.exitValue();
        System.out.printf(Locale.ROOT, "%s: %s in %.1f s%n", part, end, (System.nanoTime() - start) / 1e9);
        if (!ended || process.exitValue() > REPORTED) {
            report(failure(part, end));
        }
        return ended && process.exitValue() == 0;
    }

    private static Map<String, Object> failure(String part, String why) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", part);
        line.put("error", why);
        return line;
    }

    private void run(String part) throws IOException {
        try {
            switch (part) {
                case DEVICE -> device();
                case FIDELITY -> fidelity();
                default -> pictures(part);
            }
        } catch (RuntimeException | Error e) {
            report(failure(part, String.valueOf(e.getMessage())));
            throw e;
        }
    }

    private void device() {
        Device wanted = Device.parse(device);
        Devices.require(wanted, "device " + wanted + " cannot be used");
        System.out.println(RuntimeInfo.probe());
    }

    /** Returns lines of JSON as a table in Markdown, with a column for everything that any of them has. */
    static String table(List<String> lines) throws IOException {
        List<Map<String, Object>> rows = new ArrayList<>();
        Set<String> columns = new LinkedHashSet<>();
        for (String line : lines) {
            Map<String, Object> row = JSON.readValue(line, new TypeReference<Map<String, Object>>() {});
            rows.add(row);
            columns.addAll(row.keySet());
        }
        if (columns.remove("error")) {
            columns.add("error"); // long, so last
        }
        StringBuilder table = new StringBuilder();
        table.append("| ").append(String.join(" | ", columns)).append(" |\n");
        table.append("|---".repeat(columns.size())).append("|\n");
        for (Map<String, Object> row : rows) {
            for (String column : columns) {
                String cell = String.valueOf(row.getOrDefault(column, ""));
                table.append("| ")
                        .append(cell.replace('|', '/').lines().findFirst().orElse(""))
                        .append(' ');
            }
            table.append("|\n");
        }
        return table.toString();
    }

    /** Draws with the small model on the CPU and on the card, from the same noise. */
    private void fidelity() throws IOException {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a red fox on grass")
                .size(128, 128)
                .steps(steps)
                .seed(1)
                .count(4)
                .build();
        List<GeneratedImage> exact =
                draw(request, builder -> builder.device(Device.cpu()).precision(Precision.FP32));
        for (Precision precision : Precision.values()) {
            if (precision != Precision.FP32) {
                compare(exact, request, precision, Device.cpu());
            }
            compare(exact, request, precision, Device.parse(device));
        }
    }

    private void compare(List<GeneratedImage> exact, GenerationRequest request, Precision precision, Device on)
            throws IOException {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", "fidelity");
        line.put("device", on.toString());
        line.put("precision", precision.name());
        try {
            List<GeneratedImage> drawn = draw(request, builder -> {
                builder.device(on);
                for (Component component : Component.values()) {
                    builder.precision(
                            component,
                            component == Component.VAE && precision.bytes() == 1 ? Precision.BF16 : precision);
                }
            });
            line.put("latents", round(relativeError(exact, drawn)));
            line.put("psnr", round(psnr(exact, drawn)));
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        report(line);
    }

    private List<GeneratedImage> draw(GenerationRequest request, Consumer<ZImagePipeline.Builder> options) {
        ZImagePipeline.Builder builder = ZImagePipeline.builder().model(smallModel());
        options.accept(builder);
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generateAll(request);
        }
    }

    private static double relativeError(List<GeneratedImage> exact, List<GeneratedImage> drawn) {
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

    private static double psnr(List<GeneratedImage> exact, List<GeneratedImage> drawn) {
        double sum = 0;
        long count = 0;
        for (int i = 0; i < exact.size(); i++) {
            byte[] a = exact.get(i).rgb();
            byte[] b = drawn.get(i).rgb();
            for (int j = 0; j < a.length; j++) {
                double difference = (a[j] & 0xff) - (b[j] & 0xff);
                sum += difference * difference;
            }
            count += a.length;
        }
        return 10 * Math.log10(255 * 255 / Math.max(sum / count, 1e-9));
    }

    /** Draws with the full-size model: how long everything takes, and how much of the card's memory. */
    private void pictures(String part) throws IOException {
        List<String> words = Arrays.asList(part.split(":", 2));
        Precision precision = Precision.valueOf(words.get(0).toUpperCase(Locale.ROOT));
        ZImagePipeline.Builder builder = ZImagePipeline.builder()
                .model(model)
                .device(Device.parse(device))
                .precision(Component.TRANSFORMER, precision)
                .planFor(request(sizes.stream().max(Comparator.naturalOrder()).orElseThrow(), 1));
        for (String option : words.size() == 1 ? new String[0] : words.get(1).split(",")) {
            apply(option, builder);
        }
        long start = System.nanoTime();
        try (ZImagePipeline pipeline = builder.build()) {
            double load = (System.nanoTime() - start) / 1e9;
            for (int size : sizes) {
                Map<String, Object> line = new LinkedHashMap<>();
                line.put("part", part);
                line.put("size", size);
                line.put("steps", steps);
                line.put("load_s", round(load));
                measure(pipeline, size, line);
                report(line);
            }
        }
    }

    private static void apply(String option, ZImagePipeline.Builder builder) {
        String[] pair = option.split("=", 2);
        switch (pair[0]) {
            case "attention" -> builder.attention(new AttentionBackend(pair[1]));
            case "memory" -> builder.memoryBudget(MemorySize.parse(pair[1]));
            case "compile" -> builder.compileTransformer(Boolean.parseBoolean(pair[1]));
            case "place" -> {
                String[] place = pair[1].split("/", 2);
                builder.place(Component.valueOf(place[0].toUpperCase(Locale.ROOT)), Placement.parse(place[1]));
            }
            default -> throw new IllegalArgumentException("no option " + option);
        }
    }

    private void measure(ZImagePipeline pipeline, int size, Map<String, Object> line) {
        List<Double> pictures = new ArrayList<>();
        List<Double> texts = new ArrayList<>();
        List<Double> denoise = new ArrayList<>();
        List<Double> decode = new ArrayList<>();
        List<Double> stepTimes = new ArrayList<>();
        int picture = 0;
        for (int run = 0; run < WARM_UPS + RUNS; run++) {
            long start = System.nanoTime();
            GeneratedImage image = pipeline.generate(request(size, run));
            double seconds = (System.nanoTime() - start) / 1e9;
            picture = Arrays.hashCode(image.rgb());
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
        line.put("picture", Integer.toHexString(picture));
    }

    /** Another prompt each time, since embeddings are remembered; as many tokens, and the same seed. */
    private GenerationRequest request(int size, int run) {
        return GenerationRequest.builder()
                .prompt(PROMPT + " " + run)
                .size(size, size)
                .steps(steps)
                .seed(1)
                .build();
    }

    private static void peaks(String name, MemoryPlan.Peaks peaks, Map<String, Object> line) {
        line.put(name, List.of(gib(peaks.text()), gib(peaks.denoise()), gib(peaks.decode())));
    }

    private static double seconds(Duration duration) {
        return duration.toNanos() / 1e9;
    }

    private static double median(List<Double> values) {
        return round(
                values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow());
    }

    private static double gib(long bytes) {
        return round(bytes / (double) (1 << 30));
    }

    private static double round(double value) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.4g", value));
    }

    private void report(Map<String, Object> line) throws IOException {
        String json = JSON.writeValueAsString(line);
        System.out.println(json);
        Files.write(out, List.of(json), StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
