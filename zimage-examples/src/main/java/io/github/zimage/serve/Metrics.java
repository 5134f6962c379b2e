package io.github.zimage.serve;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Consumer;

/** What Prometheus may read. */
final class Metrics implements QueueListener, AutoCloseable {
    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final MemoryTrend trend;
    private final JvmGcMetrics gc = new JvmGcMetrics();
    private final Timer steps = timer("zimage.step", "One denoising step", Duration.ofMinutes(2));
    private Runnable outOfMemory = () -> {};
    private Runnable relief = () -> {};
    private Runnable success = () -> {};
    private Consumer<JobFailure> failure = each -> {};

    Metrics(MemoryTrend trend) {
        this.trend = trend;
        memory("resident");
        memory("held");
        memory("heap");
        new JvmMemoryMetrics().bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        gc.bindTo(registry);
    }

    private void memory(String kind) {
        Gauge.builder("zimage.memory", () -> {
                    ProcessMemory now = ProcessMemory.read();
                    return switch (kind) {
                        case "resident" -> now.resident();
                        case "held" -> now.held();
                        default -> now.heap();
                    };
                })
                .description("Memory of the process")
                .baseUnit("bytes")
                .tag("kind", kind)
                .register(registry);
    }

    private Timer timer(String name, String description, Duration longest) {
        return Timer.builder(name)
                .description(description)
                .publishPercentileHistogram()
                .minimumExpectedValue(Duration.ofMillis(1))
                .maximumExpectedValue(longest)
                .register(registry);
    }

    /** Shows what a queue holds, and passes on what it hears of memory and of how jobs end. */
    void observe(JobQueue queue, Watchdog watchdog, Readiness readiness) {
        success = readiness::recordSuccess;
        failure = readiness::recordFailure;
        outOfMemory = watchdog::recordOutOfMemory;
        relief = watchdog::recordRelief;
        Gauge.builder("zimage.peak", queue, JobQueue::peakBytes)
                .description("The most memory that the latest request had on its device")
                .baseUnit("bytes")
                .register(registry);
        Gauge.builder("zimage.queue.depth", queue, JobQueue::depth)
                .description("Requests that wait")
                .register(registry);
        Gauge.builder("zimage.jobs.running", queue, JobQueue::active)
                .description("Requests that are being drawn")
                .register(registry);
        Gauge.builder(
                        "zimage.ready",
                        queue,
                        each -> each.isReady() && readiness.failing().isEmpty() ? 1 : 0)
                .description("Whether requests are taken and drawn")
                .register(registry);
    }

    @Override
    public void onStep(Duration elapsed) {
        steps.record(elapsed);
    }

    @Override
    public void onEnd(Job job, Duration waited, Duration drawn) {
        ApiException answer = job.failure();
        registry.counter("zimage.jobs", "outcome", answer == null ? "succeeded" : answer.code())
                .increment();
        timer("zimage.queue.wait", "Waiting in the queue", Duration.ofMinutes(30))
                .record(waited);
        if (answer == null) {
            success.run();
            timer("zimage.request", "Drawing the pictures of a request", Duration.ofMinutes(10))
                    .record(drawn);
            timer("zimage.picture", "Drawing, for each picture", Duration.ofMinutes(10))
                    .record(drawn.dividedBy(job.request().totalCount()));
            ProcessMemory memory = ProcessMemory.read();
            trend.add(memory.outsideHeap());
        }
    }

    @Override
    public void onFailure(JobFailure reason) {
        failure.accept(reason);
    }

    @Override
    public void onRetry(Job job, String why) {
        registry.counter("zimage.retries", "by", "queue").increment();
    }

    @Override
    public void onRelief() {
        registry.counter("zimage.retries", "by", "pipeline").increment();
        registry.counter("zimage.out.of.memory").increment();
        relief.run();
    }

    @Override
    public void onOutOfMemory() {
        registry.counter("zimage.out.of.memory").increment();
        outOfMemory.run();
    }

    void onRemedy(Watchdog.Remedy remedy) {
        registry.counter("zimage.healings", "remedy", remedy.name().toLowerCase(Locale.ROOT))
                .increment();
    }

    void onResponse(int status) {
        registry.counter("zimage.http.responses", "status", Integer.toString(status))
                .increment();
    }

    /** Returns all, in Prometheus's text format. */
    String scrape() {
        return registry.scrape();
    }

    @Override
    public void close() {
        gc.close();
        registry.close();
    }
}
