package io.github.zimage.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.request.Seeds;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * How a job gets on, as events of OpenAI's images API. That has none for places in the queue and steps, which its clients could not read:
 * they are comments, unless they are asked for.
 */
final class OpenAiEvents {

    private final String model;
    private final JobQueue queue;
    private final Job job;
    private final OutputFormat format;
    private final int partial;
    private final boolean progress;

    /**
     * Prepares events.
     *
     * @param format of all pictures in them
     * @param partial how many previews there shall be
     * @param progress whether places and steps are events
     */
    OpenAiEvents(String model, JobQueue queue, Job job, OutputFormat format, int partial, boolean progress) {
        this.model = model;
        this.queue = queue;
        this.job = job;
        this.format = format;
        this.partial = partial;
        this.progress = progress;
    }

    /** Returns an event's name, which says whether pictures start from one. */
    private String name(String event) {
        return (job.request().imageToImage() == null ? "image_generation." : "image_edit.") + event;
    }

    /**
     * Begins to send them.
     *
     * @param worker makes what is large
     */
    void begin(Exchange exchange, Executor worker) {
        EventStream stream;
        try {
            stream = exchange.events();
        } catch (ApiException e) {
            queue.cancel(job, "its events could not be sent");
            throw e;
        }
        exchange.onAbandoned(() -> {
            stream.stop();
            queue.cancel(job, "the client went away");
        });
        queue.watch(job, event -> exchange.runOnEventLoop(() -> tell(exchange, stream, event, worker)));
        stream.begin();
        // Before what is heard from now on, as that comes to this event loop later.
        Job.Event now = job.state() == Job.State.QUEUED ? Job.Event.PLACE : Job.Event.STARTED;
        tell(exchange, stream, now, worker);
    }

    private void tell(Exchange exchange, EventStream stream, Job.Event event, Executor worker) {
        switch (event) {
            case PLACE -> tellProgress(stream, named("queued").put("place", job.place()), "place " + job.place());
            case STARTED, STEP -> {
                int steps = job.request().steps();
                tellProgress(
                        stream,
                        named("in_progress").put("step", job.step()).put("steps", steps),
                        "step %d of %d".formatted(job.step(), steps));
            }
            case PREVIEW -> preview(stream);
            case END -> end(exchange, stream, worker);
        }
    }

    private void tellProgress(EventStream stream, ObjectNode data, String words) {
        if (progress) {
            stream.offer(data.get("type").textValue(), data);
        } else {
            stream.comment(words);
        }
    }

    private ObjectNode named(String event) {
        return Exchange.JSON.createObjectNode().put("type", name(event));
    }

    private void preview(EventStream stream) {
        byte[] png = job.preview();
        if (png == null) {
            return;
        }
        int index = 0;
        for (int step = 1; step < job.previewStep(); step++) {
            index += OpenAiApi.isPartial(step, job.request().steps(), partial) ? 1 : 0;
        }
        stream.offer(name("partial_image"), picture("partial_image", png).put("partial_image_index", index));
    }

    private ObjectNode picture(String event, byte[] png) {
        return named(event)
                .put("b64_json", Base64.getEncoder().encodeToString(format.encoded(png)))
                .put("created_at", Instant.now().getEpochSecond())
                .put("size", OpenAiApi.sizeOf(job.request()))
                .put("quality", "auto")
                .put("background", "opaque")
                .put("output_format", format.name());
    }

    private void end(Exchange exchange, EventStream stream, Executor worker) {
        ApiException failure = job.failure();
        if (failure != null) {
            stream.finish("error", failure.toJson().toString());
            return;
        }
        exchange.offload(worker, this::completed, events -> {
            int last = events.size() - 1;
            events.subList(0, last).forEach(event -> stream.send(name("completed"), event));
            stream.finish(name("completed"), events.get(last));
        });
    }

    /** Takes milliseconds for each picture. */
    private List<String> completed() {
        GenerationRequest request = job.request();
        List<String> events = new ArrayList<>();
        for (EncodedImage picture : job.pictures()) {
            ObjectNode event = picture("completed", picture.png())
                    .put("model", model)
                    .put("seed", Seeds.unsigned(picture.seed()))
                    .put("steps", request.steps())
                    .put("guidance", request.guidance())
                    .put("drawn_ms", job.drawnNanos(System.nanoTime()) / 1_000_000);
            try {
                events.add(Exchange.JSON.writeValueAsString(event));
            } catch (JsonProcessingException e) {
                throw new IllegalStateException("JSON that cannot be written", e);
            }
        }
        return events;
    }
}
