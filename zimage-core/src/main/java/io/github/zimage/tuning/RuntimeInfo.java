package io.github.zimage.tuning;

import io.github.zimage.AttentionBackend;
import io.github.zimage.NativeLibraryException;
import io.github.zimage.Precision;
import io.github.zimage.internal.device.Card;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.device.Status;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.LinearSelector;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.ProcessorFeatures;
import io.github.zimage.internal.system.MemoryLimit;
import io.github.zimage.internal.system.MemoryLimits;
import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.system.SystemFiles;
import io.github.zimage.placement.MemorySize;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletionException;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;

/**
 * What pipelines would find on this machine: the Java runtime, the processor, LibTorch, memory, and how fast the candidates for the
 * heavy operations are.
 *
 * @param java version and vendor of the Java runtime
 * @param system operating system and architecture
 * @param processor the processor's name, as far as the system tells it
 * @param processorFeatures instruction sets that matter here, such as {@code avx512_bf16}; empty if the system does not tell them
 * @param libTorch version and build of LibTorch
 * @param threads how many threads LibTorch computes with
 * @param kernels the candidates for the heavy operations, how fast they are, and which is taken
 * @param devices graphics cards that pipelines can use, or why they cannot; empty without a module for them
 * @param physicalMemoryBytes memory of the machine, or the smallest limit of a control group that this process is in; 0 if the system
 *     does not tell it
 * @param availableMemoryBytes memory that this process could take: what is free or can be freed within all these limits; 0 if the
 *     system does not tell it
 * @param memoryLimit what leaves no more available, such as {@code memory.max of /system.slice/zimage.service}; empty if that is the
 *     machine's memory itself, or if the system does not tell it
 * @param maxHeapBytes limit of the Java heap, which holds finished pictures but no weights
 * @param disturbance what other programs used of the processors during the measurement, if they took time from it: what was measured
 *     is too slow then, and pipelines do not go by it. Empty if they did not, or if the system does not tell it
 */
public record RuntimeInfo(
        String java,
        String system,
        String processor,
        List<String> processorFeatures,
        String libTorch,
        int threads,
        List<Kernel> kernels,
        List<String> devices,
        long physicalMemoryBytes,
        long availableMemoryBytes,
        String memoryLimit,
        long maxHeapBytes,
        String disturbance) {

    /** Copies the collections. */
    public RuntimeInfo {
        processorFeatures = List.copyOf(processorFeatures);
        devices = List.copyOf(devices);
        kernels = List.copyOf(kernels);
    }

    /**
     * One heavy operation: a linear layer over 256 rows, or attention of one head.
     *
     * @param operation what it is and how large, such as {@code linear 3840 x 10240} or {@code attention, 1152 tokens}
     * @param precision what it computes in; attention computes in BF16 where linear layers do in INT8
     * @param teraflops measured speed of each candidate, in 10^12 operations a second, by name. For linear layers {@code aten},
     *     {@code onednn} and {@code packed} in FP32 and BF16, {@code columns} and {@code packed} in INT8; for attention those of
     *     {@link AttentionBackend}. A backend that is hopeless with few tokens is not measured with many
     * @param choice the candidate that is taken. Only a transformer's weights are {@code packed}, when it is loaded, and only where
     *     they stay in memory. In INT8, others are {@code columns}
     */
    public record Kernel(String operation, Precision precision, Map<String, Double> teraflops, String choice) {
        /** Copies the map. */
        public Kernel {
            teraflops = Map.copyOf(teraflops);
        }
    }

    /** Returns whether linear layers can compute in a precision on this processor. */
    public boolean supports(Precision precision) {
        return kernels.stream().anyMatch(kernel -> kernel.precision() == precision);
    }

    /**
     * Loads LibTorch and measures; takes a few seconds. What pipelines compute with on this machine from then on is what it chose, in
     * place of what was measured before.
     *
     * @throws NativeLibraryException if LibTorch is missing
     */
    public static RuntimeInfo probe() {
        NativeRuntime.load();
        DeviceThread device = new DeviceThread("zimage-probe");
        try {
            return device.submit(RuntimeInfo::measure).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        } finally {
            device.close(() -> {});
        }
    }

    private static RuntimeInfo measure() {
        torch.set_num_threads(NativeRuntime.threads());
        ProcessorWatch watch = ProcessorWatch.start(NativeRuntime.threads());
        List<Kernel> measured = new ArrayList<>();
        for (Precision precision : List.of(Precision.FP32, Precision.BF16, Precision.INT8)) {
            LinearSelector.measure(precision)
                    .forEach((shape, speeds) -> measured.add(
                            new Kernel("linear " + shape, precision, speeds.teraflops(), speeds.choice())));
        }
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            List<AttentionSelector.Speed> speeds = AttentionSelector.measure(precision);
            String choice = AttentionSelector.choose(speeds).name();
            Map<Long, Map<String, Double>> rates = new TreeMap<>();
            speeds.forEach(speed -> rates.computeIfAbsent(speed.length(), length -> new LinkedHashMap<>())
                    .put(speed.backend().name(), speed.teraflops()));
            rates.forEach((length, each) ->
                    measured.add(new Kernel("attention, %d tokens".formatted(length), precision, each, choice)));
        }
        ProcessorWatch.Others others = watch.seen();
        MemoryLimits limits = new MemoryLimits(SystemFiles.ofThisMachine());
        String capability;
        try (PointerScope scope = new PointerScope()) {
            capability = torch.get_cpu_capability().getString();
        }
        return new RuntimeInfo(
                System.getProperty("java.version") + " (" + System.getProperty("java.vendor") + ")",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch"),
                ProcessorFeatures.name(),
                ProcessorFeatures.list(),
                NativeRuntime.libTorchVersion() + ", kernels for " + capability,
                NativeRuntime.threads(),
                measured,
                describedDevices(),
                limits.smallest().map(MemoryLimit::bytes).orElseGet(Pointer::totalPhysicalBytes),
                limits.tightest().map(MemoryLimit::available).orElseGet(Pointer::availablePhysicalBytes),
                limits.tightest()
                        .map(MemoryLimit::source)
                        .filter(source -> !source.equals(MemoryLimits.MACHINE))
                        .orElse(""),
                Runtime.getRuntime().maxMemory(),
                others.disturb() ? others.toString() : "");
    }

    private static List<String> describedDevices() {
        List<String> lines = new ArrayList<>();
        for (Status status : Devices.statuses()) {
            for (Card card : status.cards()) {
                lines.add("%s %s, %s, %s free, compute capability %s"
                        .formatted(
                                card.device(),
                                card.name(),
                                size(card.totalBytes()),
                                size(card.freeBytes()),
                                card.capability()));
            }
            if (!status.problem().isEmpty()) {
                lines.add(status.explanation());
            }
        }
        return lines;
    }

    /** Returns a table. */
    @Override
    public String toString() {
        List<String> lines = new ArrayList<>();
        lines.add(line("Java", java));
        lines.add(line("System", system));
        lines.add(line("Processor", processor));
        lines.add(line("Features", processorFeatures.isEmpty() ? "unknown" : String.join(" ", processorFeatures)));
        lines.add(line("LibTorch", libTorch + ", " + threads + (threads == 1 ? " thread" : " threads")));
        lines.add(line(
                "Memory",
                size(physicalMemoryBytes) + ", " + size(availableMemoryBytes) + " available"
                        + (memoryLimit.isEmpty() ? "" : " within " + memoryLimit)));
        devices.forEach(device -> lines.add(line("Card", device)));
        lines.add(line("Java heap", "at most " + size(maxHeapBytes)));
        for (Kernel kernel : kernels) {
            List<String> rates = new ArrayList<>();
            kernel.teraflops().forEach((name, teraflops) -> rates.add(name + " " + rate(teraflops)));
            rates.sort(null);
            lines.add("%-4s %-23s %s (%s TFLOP/s)"
                    .formatted(kernel.precision(), kernel.operation(), kernel.choice(), String.join(", ", rates)));
        }
        if (!disturbance.isEmpty()) {
            lines.add(line(
                    "Busy",
                    disturbance + ": all speeds are too low, and nothing was kept; stop them and measure again"));
        }
        if (!supports(Precision.INT8)) {
            lines.add(line("INT8", "not on this processor"));
        }
        return String.join(System.lineSeparator(), lines);
    }

    private static String line(String name, String value) {
        return "%-15s %s".formatted(name, value);
    }

    private static String rate(double teraflops) {
        return String.format(Locale.ROOT, "%.3f", teraflops);
    }

    private static String size(long bytes) {
        return bytes <= 0 ? "unknown" : new MemorySize(bytes).toString();
    }
}
