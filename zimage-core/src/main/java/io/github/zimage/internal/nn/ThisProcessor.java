package io.github.zimage.internal.nn;

import io.github.zimage.ConversionCache;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.ProcessorFeatures;
import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.tuning.ProcessorChoices;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.pytorch.global.torch;

/** What was measured on the processor this runs on. */
final class ThisProcessor {
    private static final Map<String, ProcessorChoices> CHOICES = new ConcurrentHashMap<>();

    private ThisProcessor() {}

    /** Returns the choices that were made for the processor, the number of threads, and the LibTorch. */
    static ProcessorChoices choices() {
        String key = "%s, %s, %d threads, LibTorch %s"
                .formatted(
                        ProcessorFeatures.name(),
                        String.join(" ", ProcessorFeatures.list()),
                        torch.get_num_threads(),
                        NativeRuntime.libTorchVersion());
        return CHOICES.computeIfAbsent(
                key,
                processor -> new ProcessorChoices(
                        ConversionCache.automatic().folder(),
                        processor,
                        () -> ProcessorWatch.start(torch.get_num_threads())));
    }
}
