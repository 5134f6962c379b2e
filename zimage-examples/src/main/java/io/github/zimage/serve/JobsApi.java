package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.request.Seeds;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Jobs by name: begin one, watch it, fetch its pictures, end it. */
final class JobsApi {
    static final String PATH = "/api/jobs";

    /** More than one who draws needs; each holds what it did not read yet in memory. */
    private static final int MOST_WATCHERS = 16;

    private final RequestReader reader;
    private final JobQueue queue;
    private final JobStore store;
    private final Access access;
    private final PictureLinks links;
    private final Executor worker;

    JobsApi(RequestReader reader, JobQueue queue, JobStore store, Access access, PictureLinks links, Executor worker) {
        this.reader = reader;
        this.queue = queue;
        this.store = store;
        this.access = access;
        this.links = links;
        this.worker = worker;
    }

    /** {@code POST /api/jobs}. Pictures to start from are data URLs: a form could be sent by a page of another site. */
    void create(Exchange exchange) {
        EditBody.readJson(exchange, worker, body -> {
            JsonFields fields = body.fields();
            String quality = fields.choice("quality", "publish", RequestReader.QUALITIES.keySet());
            boolean previews = fields.flag("previews", false);
            ParameterNames names = new ParameterNames(fields, "count");
            GenerationRequest request = reader.read(fields, body.imageToImage(), body.controls(), quality, names);
            if (fields.has("quality") && (fields.has("size") || fields.has("width") || fields.has("height"))) {
                throw ApiException.badParameter("size", "quality is a size by another name: give one of them");
            }
            String client = access.client(exchange);
            Supplier<Job> submission = () -> queue.submit(client, request, step -> previews);
            exchange.offload(worker, () -> names.explaining(submission), job -> {
                store.keep(job);
                exchange.putHeader("Location", exchange.view().prefix() + PATH + "/" + job.id());
                exchange.json(202, json(exchange, job));
            });
        });
    }

    /** {@code GET /api/jobs/ID}. */
    void show(Exchange exchange, String id) {
        Job job = find(id);
        queue.touch(job);
        exchange.json(200, json(exchange, job));
    }

    /** {@code GET /api/jobs/ID/events}. */
    void events(Exchange exchange, String id) {
        Job job = find(id);
        if (exchange.isHead()) {
            queue.touch(job);
            exchange.head(200, EventStream.TYPE);
            return;
        }
        if (job.watchers() >= MOST_WATCHERS) {
            throw ApiException.retryable(
                    429, "too_many_watchers", "%d watch this job already".formatted(MOST_WATCHERS), 5);
        }
        EventStream stream = exchange.events();
        Consumer<Job.Event> watcher = event -> exchange.runOnEventLoop(() -> tell(exchange, stream, job, event));
        exchange.onAbandoned(() -> {
            stream.stop();
            queue.unwatch(job, watcher);
        });
        queue.watch(job, watcher);
        stream.begin();
        stream.send("state", json(exchange, job)); // before what is heard from now on
    }

    private void tell(Exchange exchange, EventStream stream, Job job, Job.Event event) {
        switch (event) {
            case PLACE, STARTED -> stream.send("state", json(exchange, job));
            case STEP ->
                stream.offer(
                        "step",
                        Exchange.JSON
                                .createObjectNode()
                                .put("step", job.step())
                                .put("steps", job.request().steps()));
            case PREVIEW -> {
                byte[] png = job.preview();
                if (png != null) {
                    stream.offer(
                            "preview",
                            Exchange.JSON
                                    .createObjectNode()
                                    .put("step", job.previewStep())
                                    .put("png", Base64.getEncoder().encodeToString(png)));
                }
            }
            case END -> stream.finish("end", json(exchange, job).toString());
        }
    }

    /** {@code GET /api/jobs/ID/images/N.png}. */
    void picture(Exchange exchange, String id, String number) {
        List<EncodedImage> pictures = find(id).pictures();
        int index = number.length() > 4 ? Integer.MAX_VALUE : Integer.parseInt(number);
        if (index >= pictures.size()) {
            throw new ApiException(404, "not_found", "there is no such picture, or not yet");
        }
        exchange.bytes(200, "image/png", pictures.get(index).png());
    }

    /** {@code DELETE /api/jobs/ID}. */
    void cancel(Exchange exchange, String id) {
        queue.cancel(find(id), "the client cancelled it");
        exchange.noContent();
    }

    private Job find(String id) {
        return store.find(id)
                .orElseThrow(() -> new ApiException(404, "not_found", "there is no such job, or no longer"));
    }

    private ObjectNode json(Exchange exchange, Job job) {
        long now = System.nanoTime();
        GenerationRequest request = job.request();
        ObjectNode root = Exchange.JSON
                .createObjectNode()
                .put("id", job.id())
                .put("state", job.state().name().toLowerCase(Locale.ROOT))
                .put("place", job.place())
                .put("step", job.step())
                .put("steps", request.steps())
                .put("guidance", request.guidance())
                .put("width", request.width())
                .put("height", request.height())
                .put("count", request.totalCount())
                .put("seed", Seeds.unsigned(Objects.requireNonNull(request.seed(), "chosen when it was read")))
                .put("waited_ms", job.waitedNanos(now) / 1_000_000)
                .put("drawn_ms", job.drawnNanos(now) / 1_000_000);
        ArrayNode images = root.putArray("images");
        List<EncodedImage> pictures = job.pictures();
        for (int i = 0; i < pictures.size(); i++) {
            images.addObject()
                    .put("url", exchange.view().prefix() + links.path(job, i, store.left(job)))
                    .put("seed", Seeds.unsigned(pictures.get(i).seed()));
        }
        ApiException failure = job.failure();
        if (failure != null) {
            root.set("error", failure.toJson().get("error"));
        }
        return root;
    }
}
