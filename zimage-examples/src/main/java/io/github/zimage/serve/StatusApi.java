package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;

/** How the server is, and what it allows. */
final class StatusApi {
    private final ServerOptions options;
    private final RequestReader reader;
    private final JobQueue queue;
    private final Metrics metrics;

    StatusApi(ServerOptions options, RequestReader reader, JobQueue queue, Metrics metrics) {
        this.options = options;
        this.reader = reader;
        this.queue = queue;
        this.metrics = metrics;
    }

    /** {@code GET /health/live}. */
    void live(Exchange exchange) {
        health(exchange, true);
    }

    /** {@code GET /health/ready}. */
    void ready(Exchange exchange) {
        health(exchange, queue.isReady());
    }

    private void health(Exchange exchange, boolean well) {
        exchange.json(
                well ? 200 : 503,
                Exchange.JSON
                        .createObjectNode()
                        .put("status", well ? "ok" : "not ready")
                        .put("running", queue.active())
                        .put("waiting", queue.depth()));
    }

    /** {@code GET /metrics}. */
    void metrics(Exchange exchange) {
        byte[] text = metrics.scrape().getBytes(StandardCharsets.UTF_8);
        exchange.bytes(200, "text/plain; version=0.0.4; charset=utf-8", text);
    }

    /** {@code GET /api/info}: what the page needs to know. */
    void info(Exchange exchange) {
        ObjectNode root = Exchange.JSON
                .createObjectNode()
                .put("model", options.model())
                .put("max_count", options.maxCount())
                .put("max_steps", options.maxSteps())
                .put("max_pixels", options.maxPixels())
                .put("max_prompt", RequestReader.MAX_PROMPT);
        ObjectNode qualities = root.putObject("qualities");
        for (String quality : RequestReader.QUALITIES.keySet()) {
            qualities.put(quality, reader.side(quality));
        }
        exchange.json(200, root);
    }
}
