package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a pipeline promises to many threads, and about its end. */
@Timeout(60)
final class PipelineLifeTest {
    private static final int MANY_STEPS = 1000;

    @TempDir
    static Path folder;

    // LibTorch's state belongs to threads: callers that reached it themselves would break each other's results.
    @Test
    void manyThreads_getWhatOneWouldGet() throws Exception {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            requests.add(TinyModel.request()
                    .prompt("fox " + i % 3)
                    .size(16 * (1 + i % 4), 48)
                    .seed(i)
                    .guidance(i % 2)
                    .build());
        }
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try (ZImagePipeline pipeline = open()) {
            List<Future<GeneratedImage>> futures = new ArrayList<>();
            CountDownLatch start = new CountDownLatch(1);
            for (GenerationRequest request : requests) {
                futures.add(threads.submit(() -> {
                    start.await();
                    return pipeline.generate(request);
                }));
            }
            start.countDown();
            List<float[]> together = new ArrayList<>();
            for (Future<GeneratedImage> future : futures) {
                together.add(latents(future.get()));
            }
            for (int i = 0; i < requests.size(); i++) {
                assertThat(together.get(i)).isEqualTo(latents(pipeline.generate(requests.get(i))));
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void calls_areServedInOrder() throws Exception {
        List<Integer> order = new ArrayList<>();
        try (ZImagePipeline pipeline = open()) {
            List<CompletableFuture<?>> futures = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                int number = i;
                futures.add(pipeline.generateAsync(TinyModel.request().steps(1).build(), new GenerationListener() {
                    @Override
                    public void onStep(int step, int steps, Duration elapsed) {
                        order.add(number);
                    }
                }));
            }
            CompletableFuture.allOf(futures.toArray(CompletableFuture[]::new)).get(30, TimeUnit.SECONDS);
        }
        assertThat(order).containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    }

    // Whoever bounds the time of a request counts from here: what it waits for others is not its own.
    @Test
    void requestThatWaits_startsWhenTheOneBeforeItIsDone() throws Exception {
        List<String> heard = new ArrayList<>();
        try (ZImagePipeline pipeline = open()) {
            List<CompletableFuture<?>> futures = new ArrayList<>();
            for (String name : List.of("first", "second")) {
                futures.add(pipeline.generateAsync(TinyModel.request().steps(1).build(), new GenerationListener() {
                    @Override
                    public void onStart() {
                        heard.add(name + " starts");
                    }

                    @Override
                    public void onEncode(Duration elapsed) {
                        heard.add(name + " encoded");
                    }

                    @Override
                    public void onDone(List<GeneratedImage> images) {
                        heard.add(name + " done");
                    }
                }));
            }
            CompletableFuture.allOf(futures.toArray(CompletableFuture[]::new)).get(30, TimeUnit.SECONDS);
        }
        assertThat(heard)
                .containsExactly(
                        "first starts",
                        "first encoded",
                        "first done",
                        "second starts",
                        "second encoded",
                        "second done");
    }

    @Test
    void cancelledFuture_endsWithinAStep() throws Exception {
        GenerationRequest request = TinyModel.request().build();
        try (ZImagePipeline pipeline = open()) {
            float[] expected = latents(pipeline.generate(request));
            AtomicReference<CompletableFuture<?>> running = new AtomicReference<>();
            Watch watch = new Watch(() -> running.get().cancel(true));
            running.set(pipeline.generateAsync(longRequest(), watch));
            watch.release();
            assertThat(latents(pipeline.generate(request))).isEqualTo(expected);
            assertThat(running.get()).isCancelled();
            assertThat(watch.steps()).isLessThanOrEqualTo(2);
        }
    }

    @Test
    void cancelledFuture_thatStillWaits_isNeverStarted() throws Exception {
        AtomicInteger steps = new AtomicInteger();
        try (ZImagePipeline pipeline = open()) {
            Watch watch = new Watch(() -> {});
            CompletableFuture<?> first =
                    pipeline.generateAsync(TinyModel.request().build(), watch);
            CompletableFuture<?> second =
                    pipeline.generateAsync(TinyModel.request().build(), new GenerationListener() {
                        @Override
                        public void onEncode(Duration elapsed) {
                            steps.incrementAndGet();
                        }
                    });
            second.cancel(true);
            watch.release();
            first.get(30, TimeUnit.SECONDS);
            pipeline.encode("the queue is empty after this");
        }
        assertThat(steps).hasValue(0);
    }

    @Test
    void interruptedCaller_endsTheGenerationWithinAStep() throws Exception {
        try (ZImagePipeline pipeline = open()) {
            AtomicReference<Throwable> thrown = new AtomicReference<>();
            AtomicReference<Boolean> flag = new AtomicReference<>();
            AtomicReference<Thread> caller = new AtomicReference<>();
            Watch watch = new Watch(() -> {
                caller.get().interrupt();
                join(caller.get());
            });
            caller.set(new Thread(() -> {
                try {
                    pipeline.generateAll(longRequest(), watch);
                } catch (RuntimeException e) {
                    thrown.set(e);
                    flag.set(Thread.currentThread().isInterrupted());
                }
            }));
            caller.get().start();
            watch.release();
            join(caller.get());
            pipeline.encode("the queue is empty after this");
            assertThat(thrown.get()).isInstanceOf(GenerationCancelledException.class);
            assertThat(flag.get()).as("interrupt flag").isTrue();
            assertThat(watch.steps()).isLessThanOrEqualTo(2);
        }
    }

    @Test
    void close_endsWhatRunsWithinAStep_andWhatWaits() throws Exception {
        ZImagePipeline pipeline = open();
        Thread closer = new Thread(pipeline::close);
        Watch watch = new Watch(() -> {
            closer.start();
            while (closer.getState() != Thread.State.WAITING) {
                pause();
            }
        });
        CompletableFuture<?> running = pipeline.generateAsync(longRequest(), watch);
        CompletableFuture<?> waiting = pipeline.generateAsync(longRequest());
        watch.release();
        for (CompletableFuture<?> future : List.of(running, waiting)) {
            assertThatThrownBy(() -> future.get(30, TimeUnit.SECONDS))
                    .isInstanceOf(ExecutionException.class)
                    .hasCauseInstanceOf(GenerationCancelledException.class)
                    .hasMessageContaining("the pipeline was closed");
        }
        join(closer);
        assertThat(watch.steps()).isLessThanOrEqualTo(2);
    }

    @Test
    void close_fromManyThreads_andAgain_isOneClose() throws Exception {
        ZImagePipeline pipeline = open();
        CompletableFuture<?> running = pipeline.generateAsync(longRequest());
        List<Thread> closers = new ArrayList<>();
        AtomicInteger failures = new AtomicInteger();
        for (int i = 0; i < 8; i++) {
            Thread closer = new Thread(pipeline::close);
            closer.setUncaughtExceptionHandler((thread, e) -> failures.incrementAndGet());
            closers.add(closer);
        }
        closers.forEach(Thread::start);
        for (Thread closer : closers) {
            join(closer);
        }
        pipeline.close();
        assertThat(failures).hasValue(0);
        assertThat(running).isCompletedExceptionally();
    }

    // Whoever is interrupted must still find the weights gone when close returns, and the flag set.
    @Test
    void close_byAnInterruptedThread_closes() {
        ZImagePipeline pipeline = open();
        CompletableFuture<?> running = pipeline.generateAsync(longRequest());
        Thread.currentThread().interrupt();
        pipeline.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(running).isCompletedExceptionally();
    }

    @Test
    void closedPipeline_refusesEverything() {
        ZImagePipeline pipeline = open();
        pipeline.close();
        GenerationRequest request = TinyModel.request().build();
        assertThatIllegalStateException()
                .isThrownBy(() -> pipeline.generate("fox"))
                .withMessage("pipeline is closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> pipeline.generate(request))
                .withMessage("pipeline is closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> pipeline.generateAll(request))
                .withMessage("pipeline is closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> pipeline.generateAsync(request))
                .withMessage("pipeline is closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> pipeline.encode("fox"))
                .withMessage("pipeline is closed");
        assertThat(pipeline.attentionBackend()).isNotBlank();
    }

    // A listener runs on the thread that it would wait for.
    @Test
    void listener_cannotWaitForItself() {
        GenerationRequest request = TinyModel.request().build();
        ZImagePipeline pipeline = open();
        assertThatIllegalStateException()
                .isThrownBy(() -> pipeline.generateAll(request, atFirstStep(() -> pipeline.encode("fox"))))
                .withMessage("the pipeline's own thread, on which listeners run, must not wait for itself");
        assertThatThrownBy(() -> pipeline.generateAll(request, atFirstStep(pipeline::close)))
                .isInstanceOf(GenerationCancelledException.class);
        assertThatIllegalStateException().isThrownBy(() -> pipeline.encode("fox"));
    }

    // Callbacks run on the thread that completes their future; queueing from there waits for nothing.
    @Test
    void callbackOfAFuture_canQueueTheNextRequest() throws Exception {
        GenerationRequest request = TinyModel.request().build();
        try (ZImagePipeline pipeline = open()) {
            List<GeneratedImage> images = pipeline.generateAsync(request)
                    .thenCompose(first -> pipeline.generateAsync(request))
                    .get(60, TimeUnit.SECONDS);
            assertThat(images).hasSize(1);
        }
    }

    private static GenerationListener atFirstStep(Runnable action) {
        return new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                if (step == 1) {
                    action.run();
                }
            }
        };
    }

    // Some programs open a pipeline of each of two checkpoints, or open one again.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void pipelines_liveSideBySide_andOneAfterTheOther(boolean together) {
        GenerationRequest request = TinyModel.request().build();
        ZImagePipeline first = open();
        float[] expected = latents(first.generate(request));
        if (!together) {
            first.close();
        }
        try (ZImagePipeline second = open()) {
            assertThat(latents(second.generate(request))).isEqualTo(expected);
            first.close();
            assertThat(latents(second.generate(request))).isEqualTo(expected);
        }
    }

    @Test
    void shrink_goesOnWithLess_untilThereIsNoLess() {
        GenerationRequest request = TinyModel.request().build();
        try (ZImagePipeline pipeline = open()) {
            float[] before = latents(pipeline.generate(request));
            long planned = pipeline.plan().peaks().highest();
            assertThat(pipeline.shrink()).isTrue();
            assertThat(pipeline.plan().peaks().highest()).isLessThan(planned);
            assertThat(latents(pipeline.generate(request))).isEqualTo(before);
            int more = 0;
            while (pipeline.shrink()) {
                assertThat(++more).isLessThan(20);
            }
            assertThat(latents(pipeline.generate(request))).isEqualTo(before);
        }
    }

    // Tests run with one thread. OpenMP counts for each thread that starts some: set on another, the number would do
    // nothing.
    @Test
    void threads_areSetWhereThePipelineComputes() {
        AtomicInteger threads = new AtomicInteger();
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder)
                .attention(AttentionBackend.BLOCKWISE)
                .threads(2)
                .build()) {
            pipeline.generateAll(TinyModel.request().build(), atFirstStep(() -> threads.set(torch.get_num_threads())));
        }
        assertThat(threads).hasValue(2);
    }

    @Test
    void trim_forgetsPrompts_andNothingThatShows() {
        GenerationRequest request = TinyModel.request().build();
        try (ZImagePipeline pipeline = open()) {
            float[] before = latents(pipeline.generate(request));
            pipeline.trim();
            assertThat(latents(pipeline.generate(request))).isEqualTo(before);
        }
    }

    private static ZImagePipeline open() {
        return TinyModel.pipeline(folder).attention(AttentionBackend.BLOCKWISE).build();
    }

    private static GenerationRequest longRequest() {
        return TinyModel.request().size(16, 16).steps(MANY_STEPS).build();
    }

    private static float[] latents(GeneratedImage image) {
        return image.latents().values();
    }

    private static void join(Thread thread) {
        try {
            thread.join(TimeUnit.SECONDS.toMillis(30));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(thread.isAlive()).isFalse();
    }

    // A server whose clients went away must not refuse others for want of places.
    @Test
    void cancelledFuture_leavesItsPlaceInTheQueueAtOnce() {
        GenerationRequest request = TinyModel.request().build();
        try (ZImagePipeline pipeline = open()) {
            Watch watch = new Watch(() -> {});
            CompletableFuture<?> running = pipeline.generateAsync(request, watch);
            List<CompletableFuture<?>> waiting = new ArrayList<>();
            while (watch.steps() == 0) { // then it waits no longer
                pause();
            }
            for (int i = 0; i < 1024; i++) {
                waiting.add(pipeline.generateAsync(request));
            }
            assertThatIllegalStateException().isThrownBy(() -> pipeline.generateAsync(request));
            waiting.get(500).cancel(true);
            waiting.get(501).cancel(true);
            CompletableFuture<List<GeneratedImage>> last = pipeline.generateAsync(request);
            assertThat(pipeline.generateAsync(request)).isNotDone();
            assertThatIllegalStateException().isThrownBy(() -> pipeline.generateAsync(request));
            waiting.forEach(future -> future.cancel(true));
            watch.release();
            assertThat(last.join()).hasSize(1);
            assertThat(running).isCompleted();
        }
    }

    // Whoever has to end cannot wait for a device that hangs.
    @Test
    void closeWithALimit_waitsNoLonger_andCanBeGoneOnWith() {
        ZImagePipeline pipeline = open();
        Watch watch = new Watch(() -> {});
        CompletableFuture<?> running = pipeline.generateAsync(longRequest(), watch);
        while (watch.steps() == 0) {
            pause();
        }
        assertThat(pipeline.close(Duration.ofMillis(10))).isFalse();
        assertThat(running).isNotDone();
        assertThatIllegalStateException().isThrownBy(() -> pipeline.trim());
        watch.release();
        assertThat(pipeline.close(Duration.ofSeconds(50))).isTrue();
        assertThat(running).isCompletedExceptionally();
        pipeline.close();
    }

    @Test
    void null_isNamed() {
        try (ZImagePipeline pipeline = open()) {
            GenerationRequest request = TinyModel.request().build();
            assertNamed("request", () -> pipeline.generate((GenerationRequest) null));
            assertNamed("prompt", () -> pipeline.generate((String) null));
            assertNamed("listener", () -> pipeline.generateAll(request, null));
            assertNamed("request", () -> pipeline.check(null));
            assertNamed("request", () -> pipeline.plan(null));
            assertNamed("prompt", () -> pipeline.encode(null));
            assertNamed("limit", () -> pipeline.close(null));
        }
        PipelineBuilder builder = ZImagePipeline.builder();
        assertNamed("model", () -> builder.model((Path) null));
        assertNamed("device", () -> builder.device(null));
        assertNamed("devices", () -> builder.devices(null));
        assertNamed("sizes", () -> builder.warmUp((ImageSize) null));
        assertNamed("model", () -> ZImageModel.open(null));
    }

    private static void assertNamed(String parameter, ThrowingCallable call) {
        assertThatNullPointerException().isThrownBy(call).withMessageStartingWith(parameter + " must not ");
    }

    private static void pause() {
        try {
            Thread.sleep(1);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Holds the generation in its first step until released, then does something, and counts the steps that follow. */
    private static final class Watch implements GenerationListener {
        private final Runnable atFirstStep;
        private final CountDownLatch released = new CountDownLatch(1);
        private final AtomicInteger steps = new AtomicInteger();

        Watch(Runnable atFirstStep) {
            this.atFirstStep = atFirstStep;
        }

        void release() {
            released.countDown();
        }

        int steps() {
            return steps.get();
        }

        @Override
        public void onStep(int step, int total, Duration elapsed) {
            if (steps.incrementAndGet() == 1) {
                try {
                    assertThat(released.await(30, TimeUnit.SECONDS)).isTrue();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
                atFirstStep.run();
            }
        }
    }
}
