package io.github.zimage.serve;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.pipeline.ForwardingListener;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.bytedeco.pytorch.global.torch;

/** Draws with a pipeline that fails now and then: memory runs out at a random step, once or twice, or a step hangs. */
final class FaultyBackend implements ImageBackend {
    private final ImageBackend backend;
    private final Faults faults;

    FaultyBackend(ImageBackend backend, Faults faults) {
        this.backend = backend;
        this.faults = faults;
    }

    /** What goes wrong, and how often it did. Outlives the backends that are made anew. */
    static final class Faults {
        final AtomicInteger failedAllocations = new AtomicInteger();
        /** Those of them that came right after another, which the pipeline does not heal. */
        final AtomicInteger repeated = new AtomicInteger();

        final AtomicInteger hangs = new AtomicInteger();
        private final CountDownLatch ended = new CountDownLatch(1);
        private final Random random = new Random(1);
        private final int round;
        private int generations;
        private boolean on;

        /** @param round of so many generations, one hangs, one runs out of memory twice, and a tenth once */
        Faults(int round) {
            this.round = round;
        }

        synchronized void begin() {
            on = true;
        }

        /** Nothing fails any more, and what hangs goes on. */
        synchronized void end() {
            on = false;
            ended.countDown();
        }

        private synchronized GenerationListener in(GenerationRequest request, GenerationListener listener) {
            if (!on) {
                return listener;
            }
            int step = 1 + random.nextInt(request.steps());
            int inRound = ++generations % round;
            boolean fails = random.nextInt(10) == 0;
            // A second failure is past what the pipeline heals by itself. Too many of these would end the process, as
            // they should.
            return new FaultyListener(listener, step, inRound == 0, inRound == round / 2 ? 2 : fails ? 1 : 0);
        }

        private void hang() {
            hangs.incrementAndGet();
            boolean over = false;
            while (!over) {
                try {
                    ended.await();
                    over = true;
                } catch (InterruptedException e) {
                    // a kernel that hangs does not hear of it either
                }
            }
        }

        private final class FaultyListener extends ForwardingListener {
            private final int at;
            private final AtomicInteger failures;
            private boolean hangs;
            private boolean failedBefore;

            FaultyListener(GenerationListener listener, int at, boolean hangs, int failures) {
                super(listener);
                this.at = at;
                this.hangs = hangs;
                this.failures = new AtomicInteger(failures);
            }

            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                if (step == at && hangs) {
                    hangs = false;
                    hang();
                }
                if (step == at && failures.getAndDecrement() > 0) {
                    failedAllocations.incrementAndGet();
                    if (failedBefore) {
                        repeated.incrementAndGet();
                    }
                    failedBefore = true;
                    torch.empty(1L << 46); // more than any machine has
                }
                super.onStep(step, steps, elapsed);
            }
        }
    }

    @Override
    public void warmUp(BiConsumer<GenerationRequest, Duration> stepped) {
        backend.warmUp(stepped);
    }

    @Override
    public void check(GenerationRequest request) {
        backend.check(request);
    }

    @Override
    public CompletableFuture<List<EncodedImage>> generate(GenerationRequest request, GenerationListener listener) {
        return backend.generate(request, faults.in(request, listener));
    }

    @Override
    public void trim() {
        backend.trim();
    }

    @Override
    public boolean shrink() {
        return backend.shrink();
    }

    @Override
    public long peakBytes() {
        return backend.peakBytes();
    }

    @Override
    public void close() {
        backend.close();
    }
}
