package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Jobs that have ended stay for a while, and never fill the memory; those that have not are never forgotten. */
final class JobStoreTest {
    private static final Map<Integer, byte[]> SHARED = new HashMap<>();

    private final AtomicLong clock = new AtomicLong(1);
    private final JobStore store = new JobStore(clock::get);

    @Test
    void endedJob_isForgottenAfterAQuarterOfAnHour() {
        Job ended = ended(10);
        Job waiting = job();
        store.keep(ended);
        store.keep(waiting);
        clock.addAndGet(Duration.ofMinutes(15).toNanos());
        store.sweep();
        assertThat(store.find(ended.id())).contains(ended);
        clock.addAndGet(1);
        store.sweep();
        assertThat(store.find(ended.id())).isEmpty();
        assertThat(store.find(waiting.id())).contains(waiting);
    }

    // The jobs share an array here; the store counts it once for each.
    @Test
    void picturesBeyond256Megabytes_makeTheOldestGo() {
        List<Job> jobs = List.of(ended(100 << 20), ended(100 << 20), ended(100 << 20));
        jobs.forEach(store::keep);
        assertThat(jobs).extracting(job -> store.find(job.id()).isPresent()).containsExactly(false, true, true);
    }

    @Test
    void moreThanAThousandJobs_makeTheOldestThatHasEndedGo() {
        Job waiting = job();
        store.keep(waiting);
        List<Job> ended = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            ended.add(ended(10));
            store.keep(ended.get(i));
        }
        assertThat(store.find(waiting.id())).isPresent();
        assertThat(store.find(ended.get(0).id())).isEmpty();
        assertThat(store.find(ended.get(1).id())).isPresent();
    }

    private static Job job() {
        return new Job("client", GenerationRequest.builder().prompt("fox").build(), step -> false, 0);
    }

    private Job ended(int bytes) {
        Job job = job();
        job.succeed(List.of(new EncodedImage(SHARED.computeIfAbsent(bytes, byte[]::new), 16, 16, 1)), clock.get());
        return job;
    }
}
