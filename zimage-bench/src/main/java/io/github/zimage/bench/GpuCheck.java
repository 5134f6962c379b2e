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
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Placement;
import io.github.zimage.Precision;
import io.github.zimage.RuntimeInfo;
import io.github.zimage.SyntheticModel;
import io.github.zimage.SyntheticModel.Size;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.device.Card;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.weights.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Checks and times zimage on a graphics card: pictures of a small model beside those of the CPU, every kernel and attention backend beside
 * LibTorch's operators, and pictures of a full-size model in every precision, with and without graphs, and in less and less memory. Each
 * part runs in a JVM of its own, so that one that fails does not end the others. Writes a line of JSON for each figure and for whatever
 * is wrong, and prints all of them as a table. The exit status is the number of parts with something wrong, or that were not done.
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
    private static final int TOGETHER = 8;
    /** The part that comes before all others: without the card none of them can be done. */
    private static final String DEVICE = "device";

    private static final String FIDELITY = "fidelity";
    private static final String KERNELS = "kernels";
    private static final String ATTENTION = "attention";
    private static final String PROFILE = "profile=true";
    private static final int KERNELS_SHOWN = 30;

    /** With the tiny model of random weights, where another prompt makes 0.08: the order of additions makes 3e-7 on the CPU. */
    private static final double FP32_LIMIT = 1e-4;
    /** Likewise: 0.002 to 0.004 on the CPU. */
    private static final double BF16_LIMIT = 0.02;
    /** Likewise: 0.007 to 0.014 on the CPU with integers; floating-point numbers have a bit less. */
    private static final double EIGHT_BIT_LIMIT = 0.05;
    /** A trained model draws apart what differs a little: to 0.12 in BF16 on the CPU and 0.26 in 8 bits on an H100, the demo model. */
    private static final double TRAINED = 10;

    private static final int REPORTED = 1;
    private static final int DIGEST_BYTES = 8;

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

    @Option(
            names = "--deadline",
            defaultValue = "480",
            paramLabel = "SECONDS",
            description =
                    "Ends all of it: what is not done by then is reported as not done (default: ${DEFAULT-VALUE}).")
    private long deadlineSeconds;

    @Option(names = "--here", hidden = true)
    private boolean here;

    @Parameters(
            paramLabel = "PART",
            description =
                    "fidelity, kernels, attention, or PRECISION[:OPTION...] where the options are attention=NAME, memory=SIZE, compile=true,"
                            + " devices=NAME+NAME, profile=true and place=COMPONENT/PLACEMENT, such as bf16:attention=flash or bf16:memory=4g"
                            + " (default: a choice of all).")
    private List<String> parts = List.of(
            FIDELITY,
            KERNELS,
            ATTENTION,
            "bf16",
            "fp8",
            "bf16:compile=true",
            "bf16:memory=16g",
            "bf16:memory=8g",
            "bf16:memory=4g",
            "int8",
            "bf16:place=transformer/stream:cpu",
            "fp8:compile=true",
            "int8:compile=true",
            "bf16:attention=flash");

    private final long start = System.nanoTime();

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
        if (!spawn(DEVICE, limitSeconds)) {
            System.out.println("Nothing can be checked without the device.");
            return REPORTED;
        }
        int late = 0;
        for (String part : parts) {
            if (part.equals(DEVICE)) {
                continue;
            }
            if (secondsLeft() > 0) {
                make(part.equals(FIDELITY) ? smallModel() : model, part.equals(FIDELITY) ? Size.TINY : Size.TURBO);
            }
            if (secondsLeft() > 0) {
                spawn(part, Math.min(limitSeconds, secondsLeft()));
            } else {
                late++;
                report(line(part, "skipped", "not done: the deadline of %d s was over".formatted(deadlineSeconds)));
            }
        }
        List<String> lines = Files.readAllLines(out, StandardCharsets.UTF_8);
        int failed = failed(lines);
        System.out.print(table(lines));
        System.out.printf(
                Locale.ROOT,
                "%d parts in %.0f s: %d with errors, %d not done%n",
                parts.size(),
                secondsSince(start),
                failed,
                late);
        return failed + late;
    }

    private static double secondsSince(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1e9;
    }

    private long secondsLeft() {
        return deadlineSeconds - (long) secondsSince(start);
    }

    /** Returns how many parts have a line that tells of an error. */
    static int failed(List<String> lines) throws IOException {
        Set<Object> failed = new LinkedHashSet<>();
        for (Map<String, Object> row : rows(lines)) {
            if (row.containsKey("error")) {
                failed.add(row.getOrDefault("part", ""));
            }
        }
        return failed.size();
    }

    private static List<Map<String, Object>> rows(List<String> lines) throws IOException {
        List<Map<String, Object>> rows = new ArrayList<>();
        for (String line : lines) {
            rows.add(JSON.readValue(line, new TypeReference<Map<String, Object>>() {}));
        }
        return rows;
    }

    private static void make(Path folder, Size size) {
        if (!Files.exists(folder.resolve("model_index.json"))) {
            SyntheticModel.write(folder, size, Precision.BF16, 1, done -> {});
        }
    }

    private Path smallModel() {
        return smallModel == null ? model.resolveSibling(model.getFileName() + "-small") : smallModel;
    }

    private boolean spawn(String part, long limit) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path")));
        System.getProperties().stringPropertyNames().stream()
                .filter(name -> name.startsWith("org.bytedeco.") || name.startsWith("zimage."))
                .forEach(name -> command.add("-D%s=%s".formatted(name, System.getProperty(name))));
        command.addAll(List.of(Main.class.getName(), "gpu-check", "--here", "--model", model.toString()));
        if (smallModel != null) {
            command.addAll(List.of("--small-model", smallModel.toString()));
        }
        command.addAll(List.of("--device", device, "--steps", Integer.toString(steps), "--out", out.toString()));
        command.addAll(List.of(
                "--sizes", String.join(",", sizes.stream().map(String::valueOf).toList()), part));
        long partStart = System.nanoTime();
        Process process = new ProcessBuilder(command).inheritIO().start();
        boolean ended = process.waitFor(limit, TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly().waitFor();
        }
        String end = !ended
                ? "ended after %d s".formatted(limit)
                : process.exitValue() == 0 ? "done" : "failed with exit code " + process.exitValue();
        System.out.printf(Locale.ROOT, "%s: %s in %.1f s%n", part, end, secondsSince(partStart));
        if (!ended || process.exitValue() > REPORTED) {
            report(line(part, "error", end));
        }
        return ended && process.exitValue() == 0;
    }

    private static Map<String, Object> line(String part, String key, Object value) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", part);
        line.put(key, value);
        return line;
    }

    private void run(String part) {
        try {
            switch (part) {
                case DEVICE -> device();
                case FIDELITY -> fidelity();
                case KERNELS -> operations(check -> check.kernels(largest()));
                case ATTENTION -> operations(check -> check.attention(sizes));
                default -> pictures(part);
            }
        } catch (RuntimeException | Error e) {
            report(line(part, "error", String.valueOf(e.getMessage())));
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
        List<Map<String, Object>> rows = rows(lines);
        Set<String> columns = new LinkedHashSet<>();
        rows.forEach(row -> columns.addAll(row.keySet()));
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

    /** Checks operations by themselves, on a thread of their own as a pipeline has. */
    private void operations(Consumer<KernelCheck> work) {
        Checkpoint checkpoint = Checkpoint.open(model, null);
        DeviceThread thread = new DeviceThread(device);
        try {
            thread.submit(() -> {
                        try (ComputeDevice opened = Devices.open(Device.parse(device), OptionalLong.empty());
                                ComputeDevice.Guard guard = opened.enter();
                                PointerScope scope = new PointerScope()) {
                            work.accept(new KernelCheck(opened, checkpoint, this::report));
                            return checkpoint;
                        }
                    })
                    .join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        } finally {
            thread.close(() -> {});
        }
    }

    private int largest() {
        return sizes.stream().max(Comparator.naturalOrder()).orElseThrow();
    }

    /** Draws with the small model on the CPU and on the card, from the same noise. */
    private void fidelity() {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a red fox on grass")
                .size(128, 128)
                .steps(steps)
                .seed(1)
                .count(4)
                .build();
        List<GeneratedImage> exact =
                draw(request, builder -> builder.device(Device.cpu()).precision(Precision.FP32));
        Device card = Device.parse(device);
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
        Map<String, Object> line = line(FIDELITY, "device", on.toString());
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
            judge(relativeError(exact, drawn), precision, smallModel != null, line);
            line.put("psnr", round(psnr(exact, drawn)));
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        report(line);
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

    private List<GeneratedImage> draw(GenerationRequest request, Consumer<PipelineBuilder> options) {
        PipelineBuilder builder = ZImagePipeline.builder().model(smallModel());
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
    private void pictures(String part) {
        List<String> words = Arrays.asList(part.split(":", 2));
        Precision precision = Precision.valueOf(words.get(0).toUpperCase(Locale.ROOT));
        PipelineBuilder builder = ZImagePipeline.builder()
                .model(model)
                .device(Device.parse(device))
                .precision(Component.TRANSFORMER, precision)
                .planFor(request(largest(), 1));
        List<String> options =
                words.size() == 1 ? List.of() : Arrays.asList(words.get(1).split(","));
        if (options.contains(PROFILE) && Device.parse(device).kind() == Device.Kind.CPU) {
            throw new IllegalArgumentException(PROFILE + " tells of kernels on cards, but the device is " + device);
        }
        options.stream().filter(option -> !option.equals(PROFILE)).forEach(option -> apply(option, builder));
        long before = System.nanoTime();
        try (ZImagePipeline pipeline = builder.build()) {
            double load = secondsSince(before);
            for (int size : sizes) {
                Map<String, Object> line = line(part, "size", size);
                line.put("steps", steps);
                line.put("load_s", round(load));
                measure(pipeline, size, line);
                report(line);
                if (part.contains("devices=")) {
                    together(pipeline, size, part);
                }
            }
            if (options.contains(PROFILE)) {
                profile(pipeline, part);
            }
        }
        base(part);
    }

    /** Reports the kernels that a step of the largest size takes most time with: those of two steps without those of one. */
    private void profile(ZImagePipeline pipeline, String part) {
        pipeline.generate(request(largest(), 0, 1)); // whose prompt is encoded now, and for the next two
        Map<String, KernelTrace.Total> one = KernelTrace.of(() -> pipeline.generate(request(largest(), 0, 1)));
        Map<String, KernelTrace.Total> two = KernelTrace.of(() -> pipeline.generate(request(largest(), 0, 2)));
        for (Map<String, Object> kernel : kernels(one, two)) {
            Map<String, Object> line = line(part, "size", largest());
            line.putAll(kernel);
            line.computeIfPresent("kernel", (key, name) -> torch.demangle((String) name));
            report(line);
        }
    }

    /** Returns a line for each kernel of the difference, those that take longest first, and one for all of them. */
    static List<Map<String, Object>> kernels(Map<String, KernelTrace.Total> one, Map<String, KernelTrace.Total> two) {
        KernelTrace.Total none = new KernelTrace.Total(0, 0);
        Map<String, KernelTrace.Total> step = new LinkedHashMap<>();
        two.forEach((name, total) -> step.put(name, total.minus(one.getOrDefault(name, none))));
        step.values().removeIf(total -> total.calls() <= 0);
        KernelTrace.Total all = step.values().stream().reduce(none, KernelTrace.Total::plus);
        List<Map<String, Object>> lines = new ArrayList<>();
        step.entrySet().stream()
                .sorted(Comparator.comparing((Map.Entry<String, KernelTrace.Total> each) ->
                        -each.getValue().nanos()))
                .limit(KERNELS_SHOWN)
                .forEach(each -> lines.add(kernel(each.getKey(), each.getValue(), all)));
        lines.add(kernel("all", all, all));
        return lines;
    }

    private static Map<String, Object> kernel(String name, KernelTrace.Total total, KernelTrace.Total all) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("kernel", name);
        line.put("calls", total.calls());
        line.put("ms", round(total.nanos() / 1e6));
        line.put("share", round(total.nanos() / (double) Math.max(1, all.nanos())));
        return line;
    }

    /** Reports what is in use of a card though no tensor is: by CUDA, which the plan counts but the allocator's peaks do not. */
    private void base(String part) {
        Device used = Device.parse(device);
        if (used.kind() != Device.Kind.CPU) {
            Card card = Devices.card(used);
            report(line(part, "base_gib", gib(card.totalBytes() - card.freeBytes())));
        }
    }

    private static void apply(String option, PipelineBuilder builder) {
        String[] pair = option.split("=", 2);
        switch (pair[0]) {
            case "attention" -> builder.attention(new AttentionBackend(pair[1]));
            case "memory" -> builder.memoryBudget(MemorySize.parse(pair[1]));
            case "compile" -> builder.compileTransformer(Boolean.parseBoolean(pair[1]));
            case "place" -> {
                String[] place = pair[1].split("/", 2);
                builder.place(Component.valueOf(place[0].toUpperCase(Locale.ROOT)), Placement.parse(place[1]));
            }
            case "devices" ->
                builder.devices(
                        Arrays.stream(pair[1].split("\\+")).map(Device::parse).toList());
            default -> throw new IllegalArgumentException("no option " + option);
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
    private void together(ZImagePipeline pipeline, int size, String part) {
        GenerationRequest several = request(size, 0).toBuilder().count(TOGETHER).build();
        pipeline.generateAll(several);
        long before = System.nanoTime();
        List<GeneratedImage> drawn = pipeline.generateAll(several);
        double seconds = secondsSince(before);
        Map<String, Object> line = line(part, "size", size);
        line.put("pictures", TOGETHER);
        line.put("pictures_s", round(seconds));
        GeneratedImage last = drawn.get(TOGETHER - 1);
        GenerationRequest alone = request(size, 0).toBuilder()
                .seed(several.seedOf(TOGETHER - 1, 0))
                .build();
        if (!digest(last.rgb()).equals(digest(pipeline.generate(alone).rgb()))) {
            line.put("error", "a picture that was drawn with others is not the one that is drawn alone");
        }
        report(line);
    }

    /** Another prompt each time, since embeddings are remembered; as many tokens, and the same seed. */
    private GenerationRequest request(int size, int run) {
        return request(size, run, steps);
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

    private void report(Map<String, Object> line) {
        try {
            String json = JSON.writeValueAsString(line);
            System.out.println(json);
            Files.write(
                    out, List.of(json), StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
