package io.github.zimage.serve;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;

/** Draws nothing, when it is told to. Its pictures are their seeds. */
final class StubBackend implements ImageBackend {
    final List<Work> works = new CopyOnWriteArrayList<>();
    final AtomicInteger trims = new AtomicInteger();
    final AtomicInteger warmUps = new AtomicInteger();
    volatile boolean closed;
    volatile boolean closes = true;
    volatile boolean atOnce;
    /** What every request fails with, if any. */
    volatile RuntimeException failure;
    /** What the first picture fails with, if any. */
    volatile RuntimeException warmUpFailure;
    /** Is run while a request is taken over. */
    volatile Runnable onGenerate = () -> {};
    /** What the tokenizer says, if anything. */
    volatile RuntimeException refusal;

    /** A request that waits to be finished. */
    record Work(GenerationRequest request, GenerationListener listener, CompletableFuture<List<EncodedImage>> future) {
        /** The device begins with it. */
        void start() {
            listener.onStart();
        }

        /** An allocation fails, and the pipeline tries again. */
        void relieve() {
            MemoryPlan plan = new MemoryPlan(
                    "stub",
                    "1 picture",
                    Device.cpu(),
                    null,
                    List.of(),
                    new MemoryPlan.Peaks(Map.of("denoise", 1L)),
                    0,
                    true);
            listener.onRelief(new OutOfDeviceMemoryException("too little"), plan);
        }

        void preview(int step) {
            listener.onPreview(step, 1, new BufferedImage(4, 2, BufferedImage.TYPE_INT_RGB));
        }

        void step(int step) {
            listener.onStep(step, request.steps(), Duration.ofMillis(5));
        }

        void finish() {
            List<EncodedImage> pictures = new ArrayList<>();
            for (int i = 0; i < request.totalCount(); i++) {
                long seed = request.seedOf(i);
                pictures.add(new EncodedImage(png(seed), request.width(), request.height(), seed));
            }
            future.complete(pictures);
        }
    }

    static byte[] png(long seed) {
        return ("picture " + seed).getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    }

    @Override
    public void warmUp(BiConsumer<GenerationRequest, Duration> stepped) {
        warmUps.incrementAndGet();
        if (warmUpFailure != null) {
            throw warmUpFailure;
        }
    }

    @Override
    public void check(GenerationRequest request) {
        if (refusal != null) {
            throw refusal;
        }
        if (request.width() % 16 != 0) {
            throw new InvalidRequestException(
                    List.of("width"), "width must be a multiple of 16, but was " + request.width());
        }
    }

    @Override
    public CompletableFuture<List<EncodedImage>> generate(GenerationRequest request, GenerationListener listener) {
        Work work = new Work(request, listener, new CompletableFuture<>());
        works.add(work);
        onGenerate.run();
        if (failure != null) {
            work.start();
            work.future().completeExceptionally(failure);
        } else if (atOnce) {
            work.start();
            work.finish();
        }
        return work.future();
    }

    @Override
    public void trim() {
        trims.incrementAndGet();
    }

    @Override
    public boolean shrink() {
        return false;
    }

    @Override
    public long peakBytes() {
        return 1;
    }

    @Override
    public void close() {
        while (!closes) {
            Thread.onSpinWait();
        }
        closed = true;
    }
}
