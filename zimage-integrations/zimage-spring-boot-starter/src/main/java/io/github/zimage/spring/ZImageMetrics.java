package io.github.zimage.spring;

import io.github.zimage.InvalidRequestException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.function.Consumer;
import org.springframework.beans.factory.ObjectProvider;

/** Meters of requests. */
final class ZImageMetrics implements RequestObserver {
    private final ObjectProvider<MeterRegistry> registries;

    ZImageMetrics(ObjectProvider<MeterRegistry> registries) {
        this.registries = registries;
    }

    static void bind(ZImageTemplate template, MeterRegistry registry) {
        Gauge.builder("zimage.queue.depth", template, ZImageTemplate::waiting)
                .description("Requests that wait")
                .register(registry);
        Gauge.builder("zimage.jobs.running", template, ZImageTemplate::running)
                .description("Requests that are being drawn")
                .register(registry);
        Gauge.builder("zimage.ready", template, each -> each.isReady() ? 1 : 0)
                .description("Whether requests are taken and drawn")
                .register(registry);
        Gauge.builder("zimage.peak", template, ZImageMetrics::peak)
                .description("The most memory that the latest request had on its device")
                .baseUnit("bytes")
                .register(registry);
    }

    private static double peak(ZImageTemplate template) {
        return template.loaded()
                .flatMap(pipeline -> pipeline.measuredPeaks())
                .map(peaks -> peaks.phases().values().stream()
                        .mapToDouble(bytes -> bytes)
                        .max()
                        .orElse(Double.NaN))
                .orElse(Double.NaN);
    }

    @Override
    public void onStart(Duration waited) {
        record("zimage.queue.wait", "Waiting in the queue", waited);
    }

    @Override
    public void onStep(Duration elapsed) {
        record("zimage.step", "One denoising step", elapsed);
    }

    @Override
    public void onRelief() {
        each(registry -> registry.counter("zimage.retries", "by", "pipeline").increment());
        each(registry -> registry.counter("zimage.out.of.memory").increment());
    }

    @Override
    public void onSuccess(Duration elapsed, int images) {
        each(registry -> registry.counter("zimage.jobs", "outcome", "succeeded").increment());
        record("zimage.request", "Drawing the pictures of a request", elapsed);
        record("zimage.picture", "Drawing, for each picture", elapsed.dividedBy(images));
    }

    @Override
    public void onFailure(RuntimeException reason) {
        String outcome = reason instanceof InvalidRequestException
                ? "invalid_request"
                : reason instanceof OutOfDeviceMemoryException ? "out_of_memory" : "failed";
        each(registry -> registry.counter("zimage.jobs", "outcome", outcome).increment());
    }

    private void record(String name, String description, Duration elapsed) {
        each(registry -> Timer.builder(name)
                .description(description)
                .publishPercentileHistogram()
                .minimumExpectedValue(Duration.ofMillis(1))
                .maximumExpectedValue(Duration.ofMinutes(10))
                .register(registry)
                .record(elapsed));
    }

    private void each(Consumer<MeterRegistry> action) {
        registries.ifAvailable(action);
    }
}
