package io.github.zimage.bench;

import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.demo.SyntheticModel.Size;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.placement.Device;
import io.github.zimage.tuning.RuntimeInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import org.bytedeco.javacpp.PointerScope;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
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
    /** The part that comes before all others: without the card none of them can be done. */
    private static final String DEVICE = "device";

    private static final int REPORTED = 1;

    @Mixin
    private CheckOptions options;

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
                    "fidelity, img2img, img2img-times, upscale, lora, lora-times, step-cache, control, control-times, kernels, attention, or PRECISION[:OPTION...] where the options are attention=NAME, memory=SIZE, compile=true,"
                            + " devices=NAME+NAME, profile=true and place=COMPONENT/PLACEMENT, such as bf16:attention=flash or bf16:memory=4g"
                            + " (default: a choice of all).")
    private List<String> parts = List.of(
            FidelityPart.NAME,
            ImageToImagePart.NAME,
            LoraPart.NAME,
            UpscalePart.NAME,
            StepCachePart.NAME,
            ControlPart.NAME,
            KernelCheck.PART,
            AttentionCheck.PART,
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
            "bf16:attention=flash",
            ImageToImagePart.TIMES,
            LoraPart.TIMES);

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
        Findings findings = new Findings(options.out());
        if (here) {
            for (String part : parts) {
                run(part, findings);
            }
            return 0;
        }
        findings.clear();
        if (!spawn(DEVICE, limitSeconds, findings)) {
            System.out.println("Nothing can be checked without the device.");
            return REPORTED;
        }
        int late = 0;
        for (String part : parts) {
            if (!part.equals(DEVICE) && !checkInTime(part, findings)) {
                late++;
            }
        }
        List<String> lines = findings.lines();
        int failed = Findings.failed(lines);
        System.out.print(Findings.table(lines));
        System.out.printf(
                Locale.ROOT,
                "%d parts in %.0f s: %d with errors, %d not done%n",
                parts.size(),
                (System.nanoTime() - start) / 1e9,
                failed,
                late);
        return failed + late;
    }

    private long secondsLeft() {
        return deadlineSeconds - (System.nanoTime() - start) / 1_000_000_000;
    }

    /** Returns whether there was time for a part; says so if not. */
    private boolean checkInTime(String part, Findings findings) throws IOException, InterruptedException {
        if (secondsLeft() > 0) {
            boolean small = List.of(
                            FidelityPart.NAME,
                            ImageToImagePart.NAME,
                            LoraPart.NAME,
                            UpscalePart.NAME,
                            StepCachePart.NAME,
                            ControlPart.NAME)
                    .contains(part);
            make(small ? options.smallModel() : options.model(), small ? Size.TINY : Size.TURBO);
        }
        if (secondsLeft() > 0) {
            spawn(part, Math.min(limitSeconds, secondsLeft()), findings);
            return true;
        }
        findings.report(
                Findings.line(part, "skipped", "not done: the deadline of %d s was over".formatted(deadlineSeconds)));
        return false;
    }

    private static void make(Path folder, Size size) {
        if (!Files.exists(folder.resolve("model_index.json"))) {
            SyntheticModel.write(folder, size, Precision.BF16, 1, done -> {});
        }
    }

    private boolean spawn(String part, long limit, Findings findings) throws IOException, InterruptedException {
        PartProcess.End end = PartProcess.run(options, part, limit);
        if (!end.inTime() || end.exitCode() > REPORTED) {
            findings.report(Findings.line(part, "error", end.toString()));
        }
        return end.isGood();
    }

    private void run(String part, Findings findings) {
        try {
            switch (part) {
                case DEVICE -> requireDevice();
                case FidelityPart.NAME -> new FidelityPart(options, findings).run();
                case ImageToImagePart.NAME -> new ImageToImagePart(options, findings).compare();
                case ImageToImagePart.TIMES -> new ImageToImagePart(options, findings).time();
                case UpscalePart.NAME -> new UpscalePart(options, findings).run();
                case LoraPart.NAME -> new LoraPart(options, findings).compare();
                case LoraPart.TIMES -> new LoraPart(options, findings).time();
                case StepCachePart.NAME -> new StepCachePart(options, findings).compare();
                case ControlPart.NAME -> new ControlPart(options, findings).compare();
                case ControlPart.TIMES -> new ControlPart(options, findings).time();
                case KernelCheck.PART ->
                    onDevice((device, checkpoint) ->
                            new KernelCheck(device, checkpoint, findings::report).checkAll(options.largestSize()));
                case AttentionCheck.PART ->
                    onDevice((device, checkpoint) ->
                            new AttentionCheck(device, checkpoint, findings::report).checkAll(options.sizes()));
                default -> new PicturesPart(options, findings, part).run();
            }
        } catch (RuntimeException | Error e) {
            findings.report(Findings.line(part, "error", String.valueOf(e.getMessage())));
            throw e;
        }
    }

    private void requireDevice() {
        Device wanted = options.device();
        Devices.require(wanted, "device " + wanted + " cannot be used");
        System.out.println(RuntimeInfo.probe());
    }

    private interface DeviceWork {
        void run(ComputeDevice device, Checkpoint checkpoint);
    }

    /** Checks operations by themselves, on a thread of their own as a pipeline has. */
    private void onDevice(DeviceWork work) {
        Checkpoint checkpoint = Checkpoint.open(options.model(), null);
        DeviceThread thread = new DeviceThread(options.device().toString());
        try {
            thread.submit(() -> {
                        try (ComputeDevice opened = Devices.open(options.device(), OptionalLong.empty());
                                ComputeDevice.Guard guard = opened.enter();
                                PointerScope scope = new PointerScope()) {
                            work.run(opened, checkpoint);
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
}
