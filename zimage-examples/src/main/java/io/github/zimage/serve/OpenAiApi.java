package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.internal.request.Seeds;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * OpenAI's images API, as far as it makes sense here: what its clients send is understood or refused, or, where it makes no difference,
 * named in the answer's header {@code X-Ignored-Parameters}.
 */
final class OpenAiApi {
    private static final Set<String> QUALITIES = Set.of("auto", "low", "medium", "high", "standard", "hd");
    private static final Map<String, String> SIZES = Map.of("low", "draft", "high", "print", "hd", "print");

    private final ServerOptions options;
    private final RequestReader reader;
    private final JobQueue queue;
    private final JobStore store;
    private final Access access;
    private final PictureLinks links;
    private final Executor worker;

    OpenAiApi(
            ServerOptions options,
            RequestReader reader,
            JobQueue queue,
            JobStore store,
            Access access,
            PictureLinks links,
            Executor worker) {
        this.options = options;
        this.reader = reader;
        this.queue = queue;
        this.store = store;
        this.access = access;
        this.links = links;
        this.worker = worker;
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
        EditBody.readControls(
                exchange, worker, options.controlled(), body -> draw(exchange, body.fields(), null, body.controls()));
    }

    /** {@code POST /v1/images/edits}: pictures that start from one, as a form or as JSON. */
    void edits(Exchange exchange) {
        EditBody.read(exchange, worker, body -> {
            body.fields().choice("input_fidelity", "low", Set.of("low", "high"));
            body.fields().ignore("input_fidelity");
            draw(exchange, body.fields(), body.imageToImage(), body.controls());
        });
    }

    /** {@code POST /v1/images/variations}: pictures like one, without a prompt, as a form or as JSON. */
    void variations(Exchange exchange) {
        EditBody.read(exchange, worker, body -> {
            for (String name : List.of("prompt", "prompts", "mask")) {
                if (body.fields().has(name) || (name.equals("mask") && isMasked(body.imageToImage()))) {
                    throw ApiException.badParameter(
                            name, "variations have no %s: use /v1/images/edits".formatted(name));
                }
            }
            draw(exchange, body.fields(), body.imageToImage(), body.controls());
        });
    }

    private static boolean isMasked(@Nullable ImageToImage imageToImage) {
        return imageToImage != null && imageToImage.mask() != null;
    }

    private void draw(
            Exchange exchange, JsonFields fields, @Nullable ImageToImage imageToImage, ControlPictures controls) {
        requireModel(fields.text("model", 200));
        String quality = fields.choice("quality", "auto", QUALITIES);
        boolean url = fields.choice("response_format", "b64_json", Set.of("b64_json", "url"))
                .equals("url");
        boolean stream = fields.flag("stream", false);
        int partial = fields.integer("partial_images", 0, 3, 0);
        boolean progress = fields.flag("progress", false);
        OutputFormat format = OutputFormat.read(fields, url);
        readOthers(fields);
        ParameterNames names = new ParameterNames(fields, "n");
        GenerationRequest request =
                reader.read(fields, imageToImage, controls, SIZES.getOrDefault(quality, "publish"), names);
        if (partial > 0 && !stream) {
            throw ApiException.badParameter(
                    "partial_images", "partial_images come as events: they need stream to be true");
        }
        if (stream && url) {
            throw ApiException.badParameter(
                    "response_format", "pictures in events are b64_json: leave out response_format or stream");
        }
        if (!fields.ignored().isEmpty()) {
            exchange.putHeader("X-Ignored-Parameters", String.join(", ", fields.ignored()));
        }
        String client = access.client(exchange);
        Supplier<Job> submission =
                () -> queue.submit(client, request, step -> isPartial(step, request.steps(), partial));
        exchange.offload(worker, () -> names.explaining(submission), job -> {
            exchange.putHeader("X-Request-Id", job.id());
            if (stream) {
                new OpenAiEvents(options.model(), queue, job, format, partial, progress).begin(exchange, worker);
            } else {
                answer(exchange, job, format, url);
            }
        });
    }

    /** Reads what OpenAI's reference has beside that. All of it may have but the values that change nothing here. */
    private static void readOthers(JsonFields fields) {
        fields.choice("background", "auto", Set.of("auto", "opaque"));
        fields.choice("moderation", "auto", Set.of("auto", "low"));
        fields.choice("style", "vivid", Set.of("vivid", "natural"));
        fields.text("user", Integer.MAX_VALUE);
        List.of("moderation", "style", "user").forEach(fields::ignore);
    }

    private void answer(Exchange exchange, Job job, OutputFormat format, boolean url) {
        exchange.onAbandoned(() -> queue.cancel(job, "the client went away"));
        queue.watch(job, event -> {
            if (event == Job.Event.END) {
                exchange.runOnEventLoop(() -> respond(exchange, job, format, url));
            }
        });
    }

    private void respond(Exchange exchange, Job job, OutputFormat format, boolean url) {
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
        String base = exchange.view().base();
        exchange.offload(worker, () -> body(job, format, url, base), body -> exchange.bytes(200, JsonBody.TYPE, body));
    }

    private byte[] body(Job job, OutputFormat format, boolean url, String base) {
        List<EncodedImage> pictures = job.pictures();
        int base64 = pictures.stream()
                .mapToInt(picture -> url ? 0 : picture.png().length / 3 * 4)
                .sum();
        return Exchange.jsonBytes(base64 + 1024, json -> {
            json.writeStartObject();
            json.writeNumberField("created", Instant.now().getEpochSecond());
            json.writeStringField("model", options.model());
            json.writeStringField("output_format", format.name());
            json.writeStringField("size", sizeOf(job.request()));
            json.writeArrayFieldStart("data");
            for (int i = 0; i < pictures.size(); i++) {
                EncodedImage picture = pictures.get(i);
                json.writeStartObject();
                if (url) {
                    json.writeStringField("url", base + links.path(job, i, store.left(job)));
                } else {
                    byte[] text = Base64.getEncoder().encode(format.encoded(picture.png()));
                    json.writeFieldName("b64_json");
                    json.writeRawUTF8String(text, 0, text.length); // megabytes that need no escapes
                }
                json.writeNumberField("seed", Seeds.unsigned(picture.seed()));
                json.writeNumberField("steps", job.request().steps());
                json.writeNumberField("guidance", job.request().guidance());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        });
    }

    static String sizeOf(GenerationRequest request) {
        return request.width() + "x" + request.height();
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
}
