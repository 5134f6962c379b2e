package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.GenerationRequest;
import io.github.zimage.OutOfDeviceMemoryException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Whoever is admitted gets exactly one answer, in order, whatever happens to the pipeline meanwhile. */
@Timeout(30)
final class JobQueueTest {
    private final ScheduledExecutorService worker = Executors.newScheduledThreadPool(2);
    private final AtomicLong clock = new AtomicLong(1);
    private final AtomicInteger retries = new AtomicInteger();
    private final AtomicInteger reliefs = new AtomicInteger();
    private final AtomicInteger outOfMemory = new AtomicInteger();
    private final List<String> ends = new CopyOnWriteArrayList<>();
    private final List<String> failures = new CopyOnWriteArrayList<>();
    private final StubBackend backend = new StubBackend();
    private JobQueue queue;

    @BeforeEach
    void make() {
        queue = queue(Duration.ofMinutes(5));
        queue.attach(backend);
    }

    @AfterEach
    void end() {
        worker.shutdownNow();
    }

    private JobQueue queue(Duration timeout) {
        ServerOptions options = ServerOptions.builder()
                .port(0)
                .model("stub")
                .concurrency(2)
                .queue(3)
                .timeout(timeout)
                .size(128)
                .maxPixels(160 * 160)
                .maxCount(4)
                .maxSteps(50)
                .drain(Duration.ofSeconds(1))
                .build();
        StallDetector stalls = new StallDetector(clock::get, Duration.ofSeconds(60), Duration.ofMinutes(10), 10);
        return new JobQueue(options, worker, clock::get, stalls, new QueueListener() {
            @Override
            public void onStep(Duration elapsed) {}

            @Override
            public void onEnd(Job job, Duration waited, Duration drawn) {
                ends.add(job.id());
            }

            @Override
            public void onFailure(JobFailure failure) {
                failures.add(failure.reason());
            }

            @Override
            public void onRetry(Job job, String why) {
                retries.incrementAndGet();
            }

            @Override
            public void onRelief() {
                reliefs.incrementAndGet();
            }

            @Override
            public void onOutOfMemory() {
                outOfMemory.incrementAndGet();
            }
        });
    }

    private Job submit(long seed) {
        return queue.submit("client", request(seed), step -> false);
    }

    @Test
    void someAreDrawnAtOnce_theOthersWaitInOrderAndSeeTheirPlace() {
        List<Job> jobs = new ArrayList<>();
        for (int seed = 0; seed < 5; seed++) {
            jobs.add(submit(seed));
        }
        assertThat(jobs)
                .extracting(Job::state)
                .containsExactly(
                        Job.State.RUNNING, Job.State.RUNNING, Job.State.QUEUED, Job.State.QUEUED, Job.State.QUEUED);
        assertThat(jobs).extracting(Job::place).containsExactly(0, 0, 1, 2, 3);
        backend.works.get(1).finish();
        await(() -> jobs.get(2).state() == Job.State.RUNNING);
        assertThat(jobs).extracting(Job::place).containsExactly(0, 0, 0, 1, 2);
        assertThat(jobs.get(1).pictures().get(0).seed()).isEqualTo(1);
    }

    @Test
    void fullQueue_refusesWithATimeToComeBack() {
        for (int seed = 0; seed < 5; seed++) {
            submit(seed);
        }
        assertThatThrownBy(() -> submit(5)).isInstanceOfSatisfying(ApiException.class, e -> {
            assertThat(e.status()).isEqualTo(429);
            assertThat(e.retryAfterSeconds()).isPositive();
        });
    }

    @Test
    void timeOut_endsTheWork_andAnswers() {
        queue = queue(Duration.ofSeconds(1));
        queue.attach(backend);
        Job job = submit(1);
        Job waiting = submit(2);
        backend.works.get(0).start();
        await(() -> job.state() == Job.State.FAILED);
        assertThat(job.failure().status()).isEqualTo(504);
        assertThat(backend.works.get(0).future()).isCancelled();
        assertThat(waiting.state())
                .as("what waits for the device uses up no time")
                .isEqualTo(Job.State.RUNNING);
        backend.works.get(1).start();
        await(() -> waiting.state() == Job.State.FAILED);
        assertThat(queue.active()).isZero();
    }

    @Test
    void timesOfAJob_areCountedFromWhenTheDeviceBegins() {
        Job job = submit(1);
        clock.addAndGet(Duration.ofSeconds(20).toNanos());
        backend.works.get(0).start();
        clock.addAndGet(Duration.ofSeconds(3).toNanos());
        backend.works.get(0).finish();
        await(() -> job.state() == Job.State.SUCCEEDED);
        assertThat(job.waitedNanos(clock.get()))
                .isEqualTo(Duration.ofSeconds(20).toNanos());
        assertThat(job.drawnNanos(clock.get())).isEqualTo(Duration.ofSeconds(3).toNanos());
    }

    @Test
    void outOfMemoryThatThePipelineHeals_isHeard() {
        submit(1);
        backend.works.get(0).relieve();
        assertThat(reliefs).hasValue(1);
        assertThat(outOfMemory).hasValue(0);
    }

    @Test
    void cancel_endsWhatRunsAndWhatWaits_andLetsTheNextOneIn() {
        List<Job> jobs = List.of(submit(0), submit(1), submit(2), submit(3));
        queue.cancel(jobs.get(2), "no more");
        queue.cancel(jobs.get(0), "no more");
        queue.cancel(jobs.get(0), "twice");
        assertThat(backend.works.get(0).future()).isCancelled();
        assertThat(jobs.get(3).state()).isEqualTo(Job.State.RUNNING);
        assertThat(ends).containsExactly(jobs.get(2).id(), jobs.get(0).id());
    }

    @Test
    void outOfMemory_isTriedOnceMore_thenAnswered() {
        Job job = submit(1);
        backend.works.get(0).future().completeExceptionally(new OutOfDeviceMemoryException("too little"));
        await(() -> backend.works.size() == 2);
        assertThat(job.attempts()).isEqualTo(2);
        backend.works.get(1).future().completeExceptionally(new OutOfDeviceMemoryException("too little"));
        await(() -> job.state() == Job.State.FAILED);
        assertThat(job.failure().status()).isEqualTo(503);
        assertThat(outOfMemory).hasValue(2);
        assertThat(retries).hasValue(1);
    }

    // What was running goes on before what waited, with the same seeds.
    @Test
    void newBackend_drawsWhatTheOldOneDidNotFinish_inOrder() {
        List<Job> jobs = List.of(submit(10), submit(11), submit(12));
        queue.detach();
        assertThat(jobs).extracting(Job::place).containsExactly(1, 2, 3);
        backend.works.get(0).finish(); // too late: it is not heard
        Job meanwhile = submit(13);
        StubBackend next = new StubBackend();
        next.atOnce = true;
        queue.attach(next);
        await(() -> ends.size() == 4);
        assertThat(meanwhile.state()).isEqualTo(Job.State.SUCCEEDED);
        assertThat(next.works).extracting(work -> work.request().seed()).containsExactly(10L, 11L, 12L, 13L);
        assertThat(jobs).allSatisfy(job -> assertThat(job.state()).isEqualTo(Job.State.SUCCEEDED));
        assertThat(ends).hasSize(4).doesNotHaveDuplicates();
    }

    // A request that brings down each pipeline must not do so for ever.
    @Test
    void jobThatOutlivesThreeBackends_fails() {
        Job job = submit(1);
        for (int i = 0; i < 2; i++) {
            queue.detach();
            assertThat(job.state()).isEqualTo(Job.State.QUEUED);
            queue.attach(new StubBackend());
        }
        queue.detach();
        assertThat(job.state()).isEqualTo(Job.State.FAILED);
        assertThat(job.failure().status()).isEqualTo(500);
    }

    @Test
    void drain_answersWhatWaits_andLetsWhatRunsEnd() throws Exception {
        List<Job> jobs = List.of(submit(0), submit(1), submit(2));
        queue.drain();
        assertThat(jobs.get(2).failure().status()).isEqualTo(503);
        assertThatThrownBy(() -> submit(3))
                .isInstanceOfSatisfying(
                        ApiException.class, e -> assertThat(e.status()).isEqualTo(503));
        backend.works.get(0).finish();
        backend.works.get(1).finish();
        assertThat(queue.awaitIdle(Duration.ofSeconds(20))).isTrue();
        assertThat(jobs.get(1).state()).isEqualTo(Job.State.SUCCEEDED);
    }

    @Test
    void jobThatNobodyAsksAfter_isCancelled() {
        Consumer<Job.Event> watcher = event -> {};
        Job watched = queue.submit("client", request(0), step -> false);
        queue.watch(watched, watcher);
        Job forgotten = queue.submit("client", request(1), step -> false);
        Job asked = queue.submit("client", request(2), step -> false);
        clock.addAndGet(Duration.ofSeconds(61).toNanos());
        queue.touch(asked);
        queue.cancelAbandoned();
        assertThat(List.of(watched, forgotten, asked))
                .extracting(Job::state)
                .containsExactly(Job.State.RUNNING, Job.State.CANCELLED, Job.State.RUNNING);
    }

    private static GenerationRequest request(long seed) {
        return GenerationRequest.builder().prompt("fox").size(16, 16).seed(seed).build();
    }

    // A change of the queue is made under its lock: looked at under the lock too, it is seen whole.
    private void await(BooleanSupplier condition) {
        JobQueue locked = queue;
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (true) {
            synchronized (locked) {
                if (condition.getAsBoolean()) {
                    return;
                }
            }
            assertThat(System.nanoTime()).as("waited too long").isLessThan(end);
            LockSupport.parkNanos(1_000_000);
        }
    }
}
