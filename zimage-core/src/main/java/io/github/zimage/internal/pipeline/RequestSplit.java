package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.generation.Order;
import io.github.zimage.internal.request.Seeds;
import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** A request whose pictures are drawn on several devices, each as it would be on one. */
final class RequestSplit {
    private final List<Order> parts;
    private final GenerationListener listener;
    private final int[] steps;
    private int told;
    private int decoded;
    private int upscaled;
    private boolean started;
    private boolean encoded;

    private RequestSplit(List<Order> parts, GenerationListener listener) {
        this.parts = parts;
        this.listener = listener;
        steps = new int[parts.size()];
    }

    /**
     * Splits an order into as many parts as can be of about the same size: by prompts, or if there is only one by its pictures.
     *
     * @param most how many parts there may be
     */
    static RequestSplit of(Order order, int most, GenerationListener listener) {
        GenerationRequest request = order.request();
        int prompts = request.totalCount() / request.count();
        int pieces = prompts > 1 ? prompts : request.count();
        int count = Math.min(most, pieces);
        List<Order> parts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int from = pieces * i / count;
            int to = pieces * (i + 1) / count;
            parts.add(
                    prompts > 1
                            ? order.part(prompts(request, from, to), from * request.count())
                            : order.part(pictures(request, from, to), from));
        }
        return new RequestSplit(parts, listener);
    }

    /**
     * Returns the request for one picture alone, which names its seed, unless its noise was given.
     *
     * @param request names a seed
     */
    static GenerationRequest picture(GenerationRequest request, int index) {
        GenerationRequest.Builder picture = request.toBuilder().count(1);
        int prompt = index / request.count();
        if (request.prompts().isEmpty()) {
            picture.promptEmbeddings(List.of(request.promptEmbeddings().get(prompt)));
        } else {
            picture.prompt(request.prompts().get(prompt));
        }
        if (request.latents().isEmpty()) {
            return picture.seed(Seeds.unsigned(request.seedOf(index))).build();
        }
        return picture.seed(GenerationRequest.RANDOM_SEED)
                .latents(List.of(request.latents().get(index)))
                .build();
    }

    private static GenerationRequest prompts(GenerationRequest request, int from, int to) {
        GenerationRequest.Builder part = request.toBuilder();
        if (request.prompts().isEmpty()) {
            part.promptEmbeddings(request.promptEmbeddings().subList(from, to));
        } else {
            part.prompts(request.prompts().subList(from, to));
        }
        if (request.seeds().isEmpty()) {
            part.seed(Seeds.unsigned(request.seedOf(from * request.count())));
        }
        return latents(part, request, from * request.count(), to * request.count());
    }

    private static GenerationRequest pictures(GenerationRequest request, int from, int to) {
        GenerationRequest.Builder part = request.toBuilder();
        if (request.seeds().isEmpty()) {
            part.count(to - from).seed(Seeds.unsigned(request.seedOf(from)));
        } else {
            part.seeds(request.seeds().subList(from, to));
        }
        return latents(part, request, from, to);
    }

    private static GenerationRequest latents(
            GenerationRequest.Builder part, GenerationRequest request, int from, int to) {
        if (!request.latents().isEmpty()) {
            part.latents(request.latents().subList(from, to));
        }
        return part.build();
    }

    /** Returns the parts, whose pictures one after the other are those of the order. */
    List<Order> parts() {
        return parts;
    }

    /** Returns who hears of one of the parts. The request's listener hears of a step when all parts have done it. */
    GenerationListener listener(int part) {
        return new PartListener(part);
    }

    private final class PartListener extends ForwardingListener {
        private final int part;

        PartListener(int part) {
            super(listener);
            this.part = part;
        }

        @Override
        public void onStart() {
            synchronized (RequestSplit.this) {
                if (!started) {
                    started = true;
                    super.onStart();
                }
            }
        }

        @Override
        public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
            synchronized (RequestSplit.this) {
                super.onRelief(failure, next);
            }
        }

        @Override
        public void onLoad(Component component, long bytesDone, long bytesTotal) {
            synchronized (RequestSplit.this) {
                super.onLoad(component, bytesDone, bytesTotal);
            }
        }

        @Override
        public void onEncode(Duration elapsed) {
            synchronized (RequestSplit.this) {
                if (!encoded) {
                    encoded = true;
                    super.onEncode(elapsed);
                }
            }
        }

        @Override
        public void onPreview(int step, int index, BufferedImage preview) {
            int before = pictures(parts.subList(0, part));
            synchronized (RequestSplit.this) {
                super.onPreview(step, before + index, preview);
            }
        }

        @Override
        public void onStep(int step, int count, Duration elapsed) {
            synchronized (RequestSplit.this) {
                steps[part] = step;
                if (IntStream.of(steps).min().orElse(0) > told) {
                    told++;
                    super.onStep(told, count, elapsed);
                }
            }
        }

        @Override
        public void onDecode(int index, int count, Duration elapsed) {
            synchronized (RequestSplit.this) {
                decoded++;
                super.onDecode(decoded, pictures(parts), elapsed);
            }
        }

        @Override
        public void onUpscale(int index, int count, Duration elapsed) {
            synchronized (RequestSplit.this) {
                upscaled++;
                super.onUpscale(upscaled, pictures(parts), elapsed);
            }
        }
    }

    private static int pictures(List<Order> orders) {
        return orders.stream().mapToInt(order -> order.request().totalCount()).sum();
    }
}
