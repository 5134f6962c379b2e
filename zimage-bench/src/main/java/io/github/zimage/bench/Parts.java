package io.github.zimage.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.LoadedModel;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.TokenIds;
import io.github.zimage.internal.generation.Generation;
import io.github.zimage.internal.generation.RequestCheck;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.system.SystemFiles;
import io.github.zimage.internal.text.PromptLimit;
import io.github.zimage.internal.text.PromptTokens;
import io.github.zimage.internal.vae.PictureDecoder;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.VaeTiling;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Times one part of a generation by itself and prints a line of JSON: what {@code compare.py} runs side by side with other programs.
 */
@Command(
        name = "parts",
        description = "Times one part of a generation and prints a line of JSON.",
        mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class Parts implements Callable<Integer> {
    /** What can be timed. */
    enum Part {
        /** The first block of the transformer, over {@code --tokens} tokens in all. */
        BLOCK,
        /** The transformer once. */
        FORWARD,
        /** The text encoder over {@code --text-tokens} tokens. */
        TEXT,
        /** The VAE's decoder. */
        DECODE,
        /** A picture of {@code --steps} steps, the prompt not encoded before. */
        PICTURE
    }

    @Mixin
    private CheckpointOptions given;

    @Option(names = "--part", required = true, description = "${COMPLETION-CANDIDATES}")
    private Part part;

    @Option(
            names = "--check",
            paramLabel = "DTYPE",
            description = "Also gives the relative error of a block over random rows, against another number format.")
    private @Nullable Precision check;

    @Option(names = "--steps", defaultValue = "8", description = "Steps of a picture (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(
            names = "--warmups",
            defaultValue = "1",
            description = "Runs that do not count (default: ${DEFAULT-VALUE}).")
    private int warmups;

    @Option(names = "--runs", defaultValue = "3", description = "Runs that count (default: ${DEFAULT-VALUE}).")
    private int runs;

    private Checkpoint checkpoint;
    private DeviceThread device;

    /** Runs the command and ends the JVM. */
    static void main(List<String> args) {
        CommandLine commandLine = new CommandLine(new Parts()).setCaseInsensitiveEnumValuesAllowed(true);
        System.exit(commandLine.execute(args.toArray(String[]::new)));
    }

    @Override
    public Integer call() throws IOException {
        checkpoint = given.open(Component.TEXT_ENCODER, Component.TRANSFORMER);
        device = new DeviceThread("parts");
        List<Double> seconds;
        BlockError error = null;
        ProcessorWatch watch = BusyProfiler.watch(SystemFiles.ofThisMachine());
        try {
            if (check != null) {
                Precision other = check;
                Checkpoint original = given.open();
                error = onDevice(() -> BlockError.measure(original, given, other));
            }
            seconds = part == Part.DECODE ? decode() : withEngine();
        } finally {
            device.close(() -> {});
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", part.name().toLowerCase(Locale.ROOT));
        line.put("seconds", seconds);
        line.put("busyProcessors", watch.seen().used());
        if (error != null) {
            line.put("error", error.output());
            line.put("errorOfAddition", error.addition());
        }
        ProcessMemory.peak().ifPresent(bytes -> line.put("peakBytes", bytes));
        ProcessMemory.anonymous().ifPresent(bytes -> line.put("anonymousBytes", bytes));
        System.out.println(JsonMapper.builder().build().writeValueAsString(line));
        return 0;
    }

    private List<Double> withEngine() {
        PromptLimit tokens = new PromptLimit(PromptTokens.load(checkpoint), 4096, false);
        Engine engine = new Engine(
                onDevice(() -> new LoadedModel(checkpoint, options(), new GenerationListener() {}, Relief.NONE)),
                tokens);
        try {
            return switch (part) {
                case BLOCK -> measure(() -> block(engine));
                case FORWARD -> measure(() -> forward(engine));
                case TEXT -> measure(new Text(engine, tokens));
                default -> measure(new Picture(engine));
            };
        } finally {
            onDevice(() -> {
                engine.close();
                return part;
            });
        }
    }

    /** A model and its tokenizer. */
    private record Engine(LoadedModel model, PromptLimit tokens) {
        void generate(GenerationRequest request, GenerationListener listener, Runnable cancellation) {
            Generation.run(
                    model,
                    new RequestCheck(model.checkpoint(), tokens).order(request),
                    listener,
                    cancellation,
                    Relief.NONE);
        }

        void close() {
            model.close();
            tokens.tokens().close();
        }
    }

    private EngineOptions options() {
        Map<Component, Precision> precisions = new HashMap<>();
        for (Component component : Component.values()) {
            precisions.put(component, component.equals(Component.VAE) ? vaePrecision() : given.precision);
        }
        return new EngineOptions(precisions, AttentionBackend.AUTO, VaeTiling.off(), Map.of());
    }

    private Precision vaePrecision() {
        return given.precision.isEightBit() ? Precision.BF16 : given.precision;
    }

    /** Returns the seconds of each run that counts. */
    private List<Double> measure(Supplier<Double> run) {
        List<Double> seconds = new ArrayList<>();
        for (int i = 0; i < warmups + runs; i++) {
            double each = onDevice(run);
            if (i >= warmups) {
                seconds.add(each);
            }
        }
        return seconds;
    }

    private <T> T onDevice(Supplier<T> task) {
        try {
            return device.submit(task).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private double block(Engine engine) {
        int firstLayer = checkpoint.transformer().refinerLayers();
        long[] starts = new long[firstLayer + 2];
        int[] blocks = {0};
        generate(engine, new GenerationListener() {}, () -> {
            starts[blocks[0]++] = System.nanoTime();
            if (blocks[0] == starts.length) {
                throw new Enough();
            }
        });
        return (starts[firstLayer + 1] - starts[firstLayer]) / 1e9;
    }

    private double forward(Engine engine) {
        double[] seconds = {0};
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                seconds[0] = elapsed.toNanos() / 1e9;
                throw new Enough();
            }
        };
        generate(engine, listener, () -> {});
        return seconds[0];
    }

    private void generate(Engine engine, GenerationListener listener, Runnable cancellation) {
        GenerationRequest request = GenerationRequest.builder()
                .promptEmbeddings(List.of(embeddings()))
                .size(given.size, given.size)
                .steps(1)
                .seed(1)
                .build();
        try {
            engine.generate(request, listener, cancellation);
        } catch (Enough e) {
            return;
        }
        throw new IllegalStateException("the model is too small: it has no block to time");
    }

    private PromptEmbeddings embeddings() {
        int features = checkpoint.textEncoder().hiddenSize();
        Random random = new Random(1);
        float[] values = new float[given.textTokens * features];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return PromptEmbeddings.of(given.textTokens, features, values);
    }

    /** Ends a generation when what is timed has been. */
    private static final class Enough extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /** Encodes another prompt each time, since the latest are remembered. */
    private final class Text implements Supplier<Double> {
        private final Engine engine;
        private final PromptLimit tokens;
        private int runs;

        private Text(Engine engine, PromptLimit tokens) {
            this.engine = engine;
            this.tokens = tokens;
        }

        @Override
        public Double get() {
            String prompt = prompt(runs++);
            long start = System.nanoTime();
            TokenIds ids = new TokenIds(tokens.of(prompt));
            int encoded =
                    Session.encode(engine.model(), ids, () -> {}, Relief.NONE).tokens();
            double seconds = (System.nanoTime() - start) / 1e9;
            if (encoded != given.textTokens) {
                throw new IllegalStateException("%d tokens were encoded, not %d".formatted(encoded, given.textTokens));
            }
            return seconds;
        }

        private String prompt(int index) {
            StringBuilder prompt = new StringBuilder().append(index);
            while (tokens.tokens().count(prompt.toString()) < given.textTokens) {
                prompt.append(" fox".charAt(prompt.length() % 4));
            }
            return prompt.toString();
        }
    }

    /** Draws a picture of another prompt each time. */
    private final class Picture implements Supplier<Double> {
        private final Engine engine;
        private int runs;

        private Picture(Engine engine) {
            this.engine = engine;
        }

        @Override
        public Double get() {
            GenerationRequest request = PictureBenchmark.request(given.size, steps)
                    .prompt(PictureBenchmark.PROMPT + " " + runs++)
                    .build();
            long start = System.nanoTime();
            engine.generate(request, new GenerationListener() {}, () -> {});
            return (System.nanoTime() - start) / 1e9;
        }
    }

    private List<Double> decode() {
        try (WeightStore weights = new WeightStore(checkpoint.weights(Component.VAE), bytes -> {})) {
            PictureDecoder vae = onDevice(() -> new PictureDecoder(
                    checkpoint.vae(),
                    weights,
                    () -> new WeightStore(checkpoint.weights(Component.VAE), bytes -> {}),
                    type -> new CpuKernels(AttentionSelector.select(AttentionBackend.AUTO, type), type),
                    vaePrecision(),
                    TileChoice.of(VaeTiling.off())));
            return measure(() -> {
                try (PointerScope scope = new PointerScope()) {
                    int side = given.size / checkpoint.vae().scale();
                    Tensor latents = torch.randn(
                            new long[] {checkpoint.transformer().inChannels(), side, side},
                            new GeneratorOptional(torch.make_generator_cpu(1)),
                            new TensorOptions(ScalarType.Float));
                    long start = System.nanoTime();
                    Tensor picture = vae.decode(latents, () -> {});
                    double seconds = (System.nanoTime() - start) / 1e9;
                    if (picture.size(0) != given.size) {
                        throw new IllegalStateException("the picture has %d rows".formatted(picture.size(0)));
                    }
                    return seconds;
                }
            });
        }
    }
}
