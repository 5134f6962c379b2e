package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** OpenAI's images API, as far as it makes sense here: what its clients send is understood or refused, never ignored. */
final class OpenAiApi {
    private static final Set<String> QUALITIES = Set.of("auto", "low", "medium", "high", "standard", "hd");
    private static final Map<String, String> SIZES = Map.of("low", "draft", "high", "print", "hd", "print");

    private final ServerOptions options;
    private final RequestReader reader;
    private final JobQueue queue;
    private final JobStore store;

    OpenAiApi(ServerOptions options, RequestReader reader, JobQueue queue, JobStore store) {
        this.options = options;
        this.reader = reader;
        this.queue = queue;
        this.store = store;
    }

    /** {@code GET /v1/models}. */
    void models(Exchange exchange) {
        ObjectNode root = Exchange.JSON.createObjectNode().put("object", "list");
        root.putArray("data").add(model());
        exchange.json(200, root);
    }

    /** {@code GET /v1/models/ID}. */
    void model(Exchange exchange, String id) {
        requireModel(id);
        exchange.json(200, model());
    }

    private ObjectNode model() {
        return Exchange.JSON
                .createObjectNode()
                .put("id", options.model())
                .put("object", "model")
                .put("created", 0)
                .put("owned_by", "zimage");
    }

    private void requireModel(@Nullable String id) {
        if (id != null && !id.equals(options.model())) {
            throw new ApiException(
                    404,
                    "model_not_found",
                    "there is no model '%s' here, only '%s'".formatted(JsonFields.shown(id, 40), options.model()));
        }
    }

    /** {@code POST /v1/images/generations}. */
    void generations(Exchange exchange) {
        exchange.readJson(fields -> {
            requireModel(fields.text("model", 200));
            String quality = fields.choice("quality", "auto", QUALITIES);
            GenerationRequest request = reader.read(fields, SIZES.getOrDefault(quality, "publish"), "n");
            boolean url = fields.choice("response_format", "b64_json", Set.of("b64_json", "url"))
                    .equals("url");
            boolean stream = fields.flag("stream", false);
            int partial = fields.integer("partial_images", 0, 3, 0);
            fields.choice("output_format", "png", Set.of("png"));
            fields.choice("background", "auto", Set.of("auto", "opaque"));
            fields.choice("moderation", "auto", Set.of("auto", "low"));
            fields.text("user", 512);
            fields.rejectOthers();
            if (partial > 0 && !stream) {
                throw ApiException.badParameter(
                        "partial_images", "partial_images come as events: they need stream to be true");
            }
            if (stream && url) {
                throw ApiException.badParameter(
                        "response_format", "pictures in events are b64_json: leave out response_format or stream");
            }
            if (stream) {
                stream(exchange, request, partial);
            } else {
                answer(exchange, request, url);
            }
        });
    }

    private void answer(Exchange exchange, GenerationRequest request, boolean url) {
        AtomicReference<@Nullable Job> submitted = new AtomicReference<>();
        Job job = submit(exchange, request, step -> false, submitted, event -> {
            if (event == Job.Event.END) {
                exchange.runOnEventLoop(() -> respond(exchange, Objects.requireNonNull(submitted.get()), url));
            }
        });
        exchange.onAbandoned(() -> queue.cancel(job, "the client went away"));
    }

    /** The watcher runs on the event loop, later, so that it always finds the job. */
    private Job submit(
            Exchange exchange,
            GenerationRequest request,
            IntPredicate previewsAt,
            AtomicReference<@Nullable Job> submitted,
            Consumer<Job.Event> watcher) {
        Job job = queue.submit(request, previewsAt, watcher);
        submitted.set(job);
        exchange.putHeader("X-Request-Id", job.id());
        return job;
    }

    private void respond(Exchange exchange, Job job, boolean url) {
        ApiException failure = job.failure();
        if (failure != null) {
            exchange.fail(failure);
            return;
        }
        if (url) {
            store.keep(job);
        }
        long now = System.nanoTime();
        exchange.putHeader("X-Queue-Ms", Long.toString(job.waitedNanos(now) / 1_000_000));
        exchange.putHeader("X-Draw-Ms", Long.toString(job.drawnNanos(now) / 1_000_000));
        List<EncodedImage> pictures = job.pictures();
        int base64 = pictures.stream()
                .mapToInt(picture -> url ? 0 : picture.png().length / 3 * 4)
                .sum();
        exchange.json(200, base64 + 1024, json -> {
            json.writeStartObject();
            json.writeNumberField("created", Instant.now().getEpochSecond());
            json.writeStringField("model", options.model());
            json.writeStringField("output_format", "png");
            json.writeStringField("size", sizeOf(job.request()));
            json.writeArrayFieldStart("data");
            for (int i = 0; i < pictures.size(); i++) {
                EncodedImage picture = pictures.get(i);
                json.writeStartObject();
                if (url) {
                    json.writeStringField("url", address(exchange) + JobsApi.picturePath(job, i));
                } else {
                    byte[] text = Base64.getEncoder().encode(picture.png());
                    json.writeFieldName("b64_json");
                    json.writeRawUTF8String(text, 0, text.length); // megabytes that need no escapes
                }
                json.writeNumberField("seed", picture.seed());
                json.writeNumberField("steps", job.request().steps());
                json.writeNumberField("guidance", job.request().guidance());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        });
    }

    private static String sizeOf(GenerationRequest request) {
        return request.width() + "x" + request.height();
    }

    /** The address under which the client reached the server. */
    private String address(Exchange exchange) {
        String host = exchange.header("Host");
        boolean plain = host != null && host.matches("[A-Za-z0-9.:\\[\\]-]{1,255}");
        return "http://" + (plain ? host : options.host() + ":" + options.port());
    }

    private void stream(Exchange exchange, GenerationRequest request, int partial) {
        AtomicReference<@Nullable Job> submitted = new AtomicReference<>();
        AtomicReference<@Nullable EventStream> events = new AtomicReference<>();
        Job job = submit(
                exchange,
                request,
                step -> isPartial(step, request.steps(), partial),
                submitted,
                event -> exchange.runOnEventLoop(() -> {
                    EventStream stream = events.get();
                    Job known = submitted.get();
                    if (stream != null && known != null) {
                        tell(stream, known, event, partial);
                    }
                }));
        exchange.onAbandoned(() -> {
            EventStream stream = events.get();
            if (stream != null) {
                stream.stop();
            }
            queue.cancel(job, "the client went away");
        });
        events.set(exchange.events());
    }

    /** Spreads so many previews evenly over the steps before the last. */
    static boolean isPartial(int step, int steps, int partial) {
        for (int i = 1; i <= partial; i++) {
            if (step == Math.round((double) steps * i / (partial + 1))) {
                return true;
            }
        }
        return false;
    }

    private void tell(EventStream stream, Job job, Job.Event event, int partial) {
        switch (event) {
            case PLACE ->
                stream.offer("image_generation.queued", named("queued").put("place", job.place()));
            case STARTED, STEP ->
                stream.offer(
                        "image_generation.in_progress",
                        named("in_progress")
                                .put("step", job.step())
                                .put("steps", job.request().steps()));
            case PREVIEW -> preview(stream, job, partial);
            case END -> end(stream, job);
        }
    }

    private static ObjectNode named(String event) {
        return Exchange.JSON.createObjectNode().put("type", "image_generation." + event);
    }

    private static void preview(EventStream stream, Job job, int partial) {
        byte[] png = job.preview();
        if (png == null) {
            return;
        }
        int index = 0;
        for (int step = 1; step < job.previewStep(); step++) {
            index += isPartial(step, job.request().steps(), partial) ? 1 : 0;
        }
        stream.offer(
                "image_generation.partial_image",
                picture("partial_image", png, job.request()).put("partial_image_index", index));
    }

    private static ObjectNode picture(String event, byte[] png, GenerationRequest request) {
        return named(event)
                .put("b64_json", Base64.getEncoder().encodeToString(png))
                .put("created_at", Instant.now().getEpochSecond())
                .put("size", sizeOf(request))
                .put("quality", "auto")
                .put("background", "opaque")
                .put("output_format", "png");
    }

    private void end(EventStream stream, Job job) {
        ApiException failure = job.failure();
        if (failure != null) {
            stream.finish("error", failure.toJson());
            return;
        }
        List<EncodedImage> pictures = job.pictures();
        for (int i = 0; i < pictures.size(); i++) {
            ObjectNode done = picture("completed", pictures.get(i).png(), job.request())
                    .put("model", options.model())
                    .put("seed", pictures.get(i).seed())
                    .put("steps", job.request().steps())
                    .put("guidance", job.request().guidance())
                    .put("drawn_ms", job.drawnNanos(System.nanoTime()) / 1_000_000);
            if (i + 1 < pictures.size()) {
                stream.send("image_generation.completed", done);
            } else {
                stream.finish("image_generation.completed", done);
            }
        }
    }
}
