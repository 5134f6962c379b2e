package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.Sampling;
import io.github.zimage.internal.lora.LoraCatalog;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Executor;

/** How the server is, and what it allows. */
final class StatusApi {
    private final ServerOptions options;
    private final RequestReader reader;
    private final JobQueue queue;
    private final Readiness readiness;
    private final Metrics metrics;
    private final Executor worker;

    StatusApi(
            ServerOptions options,
            RequestReader reader,
            JobQueue queue,
            Readiness readiness,
            Metrics metrics,
            Executor worker) {
        this.options = options;
        this.reader = reader;
        this.queue = queue;
        this.readiness = readiness;
        this.metrics = metrics;
        this.worker = worker;
    }

    /** {@code GET /health/live}. */
    void live(Exchange exchange) {
        health(exchange, "ok");
    }

    /** {@code GET /health/ready}. */
    void ready(Exchange exchange) {
        if (readiness.failing().isPresent()) {
            health(exchange, "every request fails: the log says why");
        } else {
            health(exchange, queue.isReady() ? "ok" : "not ready");
        }
    }

    /** Waits for nobody, whatever the queue is doing. */
    private void health(Exchange exchange, String status) {
        exchange.json(
                status.equals("ok") ? 200 : 503,
                Exchange.JSON
                        .createObjectNode()
                        .put("status", status)
                        .put("running", queue.active())
                        .put("waiting", queue.depth()));
    }

    /** {@code GET /metrics}. */
    void metrics(Exchange exchange) {
        exchange.offload(
                worker,
                () -> metrics.scrape().getBytes(StandardCharsets.UTF_8), // reads files
                text -> exchange.bytes(200, "text/plain; version=0.0.4; charset=utf-8", text));
    }

    /** {@code GET /api/info}: what the page needs to know. */
    void info(Exchange exchange) {
        exchange.offload(worker, this::info, root -> exchange.json(200, root)); // reads the folder of LoRAs
    }

    private ObjectNode info() {
        ObjectNode root = Exchange.JSON
                .createObjectNode()
                .put("model", options.model())
                .put("max_count", options.maxCount())
                .put("max_steps", options.maxSteps())
                .put("max_pixels", options.maxPixels())
                .put("max_prompt", RequestReader.MAX_PROMPT)
                .put("controls", options.controlled());
        ObjectNode qualities = root.putObject("qualities");
        for (String quality : RequestReader.QUALITIES.keySet()) {
            qualities.put(quality, reader.side(quality));
        }
        Path folder = options.loraFolder();
        ArrayNode loras = root.putArray("loras");
        if (folder != null) {
            LoraCatalog.names(folder).forEach(loras::add);
        }
        ArrayNode upscalers = root.putArray("upscalers");
        new UpscalerFolder(options.upscalerFolder()).names().forEach(upscalers::add);
        ArrayNode samplers = root.putArray("samplers");
        List.of(Sampling.Sampler.values()).forEach(each -> samplers.add(each.id()));
        ArrayNode schedules = root.putArray("schedules");
        List.of(Sampling.Schedule.values()).forEach(each -> schedules.add(each.id()));
        return root;
    }
}
