package io.github.zimage;

import io.github.zimage.internal.device.Card;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.device.Status;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.LinearProbe;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.ProcessorFeatures;
import io.github.zimage.spi.Attention;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
 * @param linearTeraflops measured speed of a linear layer, in 10^12 operations a second, by precision; 0 where it cannot be used
 * @param attentionTeraflops measured speed of each attention backend, likewise, by precision and name; {@link Precision#INT8} has none
 *     of its own
 * @param attentionChoice the attention backend that {@link AttentionBackend#AUTO} takes, by precision
 * @param devices graphics cards that pipelines can use, or why they cannot; empty without a module for them
 * @param physicalMemoryBytes memory of the machine or container; 0 if the system does not tell it
 * @param availableMemoryBytes memory that is free or can be freed; 0 if the system does not tell it
 * @param maxHeapBytes limit of the Java heap, which holds finished pictures but no weights
 */
public record RuntimeInfo(
        String java,
        String system,
        String processor,
        List<String> processorFeatures,
        String libTorch,
        int threads,
        Map<Precision, Double> linearTeraflops,
        Map<Precision, Map<String, Double>> attentionTeraflops,
        Map<Precision, String> attentionChoice,
        List<String> devices,
        long physicalMemoryBytes,
        long availableMemoryBytes,
        long maxHeapBytes) {

    /** Copies the collections. */
    public RuntimeInfo {
        processorFeatures = List.copyOf(processorFeatures);
        devices = List.copyOf(devices);
        linearTeraflops = Map.copyOf(linearTeraflops);
        attentionTeraflops = Map.copyOf(attentionTeraflops);
        attentionChoice = Map.copyOf(attentionChoice);
    }

    /**
     * Loads LibTorch and measures; takes a few seconds.
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
        Map<Precision, Double> linear = new EnumMap<>(Precision.class);
        Map<Precision, Map<String, Double>> attention = new EnumMap<>(Precision.class);
        Map<Precision, String> choice = new EnumMap<>(Precision.class);
        for (Precision precision : List.of(Precision.FP32, Precision.BF16, Precision.INT8)) {
            linear.put(precision, LinearProbe.teraflops(precision));
            if (precision == Precision.INT8) {
                continue; // attention computes in BF16 then
            }
            Map<Attention, Double> seconds = AttentionSelector.probe(precision);
            Map<String, Double> rates = new LinkedHashMap<>();
            seconds.forEach(
                    (backend, time) -> rates.put(backend.name(), AttentionSelector.probeOperations() / time / 1e12));
            attention.put(precision, rates);
            choice.put(precision, AttentionSelector.choose(seconds).name());
        }
        String kernels;
        try (PointerScope scope = new PointerScope()) {
            kernels = torch.get_cpu_capability().getString();
        }
        return new RuntimeInfo(
                System.getProperty("java.version") + " (" + System.getProperty("java.vendor") + ")",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch"),
                ProcessorFeatures.name(),
                ProcessorFeatures.list(),
                NativeRuntime.libTorchVersion() + ", kernels for " + kernels,
                torch.get_num_threads(),
                linear,
                attention,
                choice,
                describedDevices(),
                Pointer.totalPhysicalBytes(),
                Pointer.availablePhysicalBytes(),
                Runtime.getRuntime().maxMemory());
    }

    private static List<String> describedDevices() {
        List<String> lines = new ArrayList<>();
        for (Status status : Devices.statuses()) {
            for (Card card : status.cards()) {
                lines.add("%s %s, %s, %s free, compute capability %s"
                        .formatted(
                                card.device(),
                                card.name(),
                                gibibytes(card.totalBytes()),
                                gibibytes(card.freeBytes()),
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
        lines.add(
                line("Memory", gibibytes(physicalMemoryBytes) + ", " + gibibytes(availableMemoryBytes) + " available"));
        devices.forEach(device -> lines.add(line("Card", device)));
        lines.add(line("Java heap", "at most " + gibibytes(maxHeapBytes)));
        for (Precision precision : List.of(Precision.FP32, Precision.BF16, Precision.INT8)) {
            double teraflops = linearTeraflops.getOrDefault(precision, 0.0);
            lines.add(line("Linear " + precision, teraflops > 0 ? rate(teraflops) : "not on this processor"));
        }
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            List<String> rates = new ArrayList<>();
            attentionTeraflops
                    .getOrDefault(precision, Map.of())
                    .forEach((name, teraflops) -> rates.add(name + " " + rate(teraflops)));
            rates.sort(null);
            lines.add(line(
                    "Attention " + precision, attentionChoice.get(precision) + " (" + String.join(", ", rates) + ")"));
        }
        return String.join(System.lineSeparator(), lines);
    }

    private static String line(String name, String value) {
        return "%-15s %s".formatted(name, value);
    }

    private static String rate(double teraflops) {
        return String.format(Locale.ROOT, "%.3f TFLOP/s", teraflops);
    }

    private static String gibibytes(long bytes) {
        return bytes <= 0 ? "unknown" : String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1 << 30));
    }
}
