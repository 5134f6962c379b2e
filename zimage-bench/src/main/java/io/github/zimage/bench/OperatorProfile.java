package io.github.zimage.bench;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.StepModulation;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says where the time of one forward pass of the transformer goes, operation by operation. */
@Command(
        name = "profile",
        description = "Prints where the time of one forward pass goes.",
        mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class OperatorProfile implements Callable<Integer> {
    @Mixin
    private CheckpointOptions options;

    /** Runs the command and ends the JVM. */
    static void main(List<String> args) {
        CommandLine commandLine = new CommandLine(new OperatorProfile()).setCaseInsensitiveEnumValuesAllowed(true);
        System.exit(commandLine.execute(args.toArray(String[]::new)));
    }

    @Override
    public Integer call() throws Exception {
        Checkpoint checkpoint = options.open(Component.TRANSFORMER);
        NativeRuntime.load();
        DeviceThread device = new DeviceThread("profile");
        try {
            System.out.println(device.submit(() -> profile(checkpoint)).join());
        } finally {
            device.close(() -> {});
        }
        return 0;
    }

    private String profile(Checkpoint checkpoint) {
        try (PointerScope scope = new PointerScope();
                WeightStore weights = new WeightStore(
                                checkpoint.weights(Component.TRANSFORMER), TensorPlace.CPU, done -> {})
                        .packed(true)) {
            TimedKernels kernels = new TimedKernels(new CpuKernels(
                    AttentionSelector.select(AttentionBackend.AUTO, options.precision), options.precision));
            ZImageTransformer2DModel transformer = new ZImageTransformer2DModel(
                    checkpoint.transformer(), weights, kernels, Residence.resident(), BlockSource::files);
            int side = options.size / checkpoint.vae().scale();
            Caption caption = transformer
                    .captions(
                            List.of(random(
                                    options.textTokens, checkpoint.textEncoder().hiddenSize())),
                            () -> {})
                    .get(0);
            StepModulation step = transformer.modulations(new float[] {0.5f}).get(0);
            TransformerInput input = new TransformerInput(
                    random(checkpoint.transformer().inChannels(), side, side),
                    caption,
                    transformer.imageRotary(side, side, caption));
            forward(transformer, input, step);
            kernels.taken();
            long before = NativeCalls.allocatedBytes();
            double seconds = forward(transformer, input, step);
            long allocated = NativeCalls.allocatedBytes() - before;
            String table = table(kernels.taken(), seconds);
            return table + "\n" + NativeCalls.measure().describe(allocated, seconds);
        }
    }

    private static Tensor random(long... shape) {
        return torch.randn(
                shape, new GeneratorOptional(torch.make_generator_cpu(1)), new TensorOptions(ScalarType.Float));
    }

    private static double forward(ZImageTransformer2DModel transformer, TransformerInput input, StepModulation step) {
        try (PointerScope scope = new PointerScope()) {
            long start = System.nanoTime();
            float[] velocity = Tensors.toFloats(
                    transformer.forward(List.of(input), step, false, () -> {}).get(0));
            double seconds = (System.nanoTime() - start) / 1e9;
            if (!Float.isFinite(velocity[0])) {
                throw new IllegalStateException("the result is not finite");
            }
            return seconds;
        }
    }

    private String table(Map<String, TimedKernels.Line> lines, double seconds) {
        StringBuilder table = new StringBuilder();
        table.append("| operation | calls | s | share | TFLOP | TFLOP/s |\n|---|--:|--:|--:|--:|--:|\n");
        double named = 0;
        double operations = 0;
        List<Map.Entry<String, TimedKernels.Line>> sorted = lines.entrySet().stream()
                .sorted((a, b) -> Long.compare(b.getValue().nanos, a.getValue().nanos))
                .toList();
        for (Map.Entry<String, TimedKernels.Line> each : sorted) {
            TimedKernels.Line line = each.getValue();
            named += line.nanos / 1e9;
            operations += line.operations;
            table.append(row(each.getKey(), String.valueOf(line.calls), line.nanos / 1e9, seconds, line.operations));
        }
        table.append(row(
                "embedding of patches, product of the last layer, putting rows together",
                "",
                seconds - named,
                seconds,
                0));
        table.append(row(
                "all, %d x %d in %s".formatted(options.size, options.size, options.precision),
                "",
                seconds,
                seconds,
                operations));
        return table.toString();
    }

    private static String row(String name, String calls, double seconds, double all, double operations) {
        return String.format(
                Locale.ROOT,
                "| %s | %s | %.3f | %.1f %% | %s | %s |%n",
                name,
                calls,
                seconds,
                100 * seconds / all,
                operations == 0 ? "" : String.format(Locale.ROOT, "%.2f", operations / 1e12),
                operations == 0 ? "" : String.format(Locale.ROOT, "%.2f", operations / seconds / 1e12));
    }
}
