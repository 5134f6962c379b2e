package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Turns among clients: nobody waits for more than his part of the others' work, and nothing is lost or drawn twice. */
final class FairQueueTest {
    private static final Duration GRACE = Duration.ofSeconds(2);

    private final FairQueue queue = new FairQueue();
    private long clock;

    private static Job job(String client, int side) {
        GenerationRequest request =
                GenerationRequest.builder().prompt("fox").size(side, side).build();
        return new Job(client, request, step -> false, 0);
    }

    private Job add(String client, int side) {
        Job job = job(client, side);
        queue.add(job);
        return job;
    }

    /** Draws one after the other until nothing waits, and returns whose they were. */
    private List<String> drawAll() {
        List<String> clients = new ArrayList<>();
        for (Job job = queue.take(1, clock, GRACE); job != null; job = queue.take(1, clock, GRACE)) {
            clients.add(job.client());
            queue.release(job, clock);
        }
        return clients;
    }

    @Test
    void jobsOfOneClient_keepTheirOrder() {
        List<Job> jobs = List.of(add("a", 16), add("a", 512), add("a", 16));
        assertThat(queue.inOrder()).containsExactlyElementsOf(jobs);
        for (Job job : jobs) {
            assertThat(queue.take(3, clock, GRACE)).isSameAs(job);
        }
        assertThat(queue.isEmpty()).isTrue();
    }

    @Test
    void clientThatComesLater_doesNotWaitForAllOfAnother() {
        for (int i = 0; i < 10; i++) {
            add("greedy", 64);
        }
        add("polite", 64);
        assertThat(drawAll().indexOf("polite")).isLessThanOrEqualTo(1);
    }

    // 512 x 512 is more than 16 times as much work as 128 x 128.
    @Test
    void turns_areByWork_notByTheNumberOfRequests() {
        for (int i = 0; i < 4; i++) {
            add("large", 512);
        }
        for (int i = 0; i < 40; i++) {
            add("small", 128);
        }
        List<String> order = drawAll();
        int second = order.subList(order.indexOf("large") + 1, order.size()).indexOf("large");
        assertThat(second).as("small ones between two large ones").isBetween(16, 20);
    }

    @Test
    void timeWithoutRequests_givesNoClaim() {
        add("idle", 64);
        drawAll();
        clock += Duration.ofHours(1).toNanos();
        for (int i = 0; i < 50; i++) {
            add("busy", 64);
            drawAll();
        }
        for (int i = 0; i < 6; i++) {
            add("busy", 64);
            add("idle", 64);
        }
        assertThat(drawAll().subList(0, 6))
                .filteredOn(each -> each.equals("idle"))
                .hasSizeBetween(2, 4);
    }

    @Test
    void workThatWasForNothing_isNotCounted() {
        add("a", 64);
        add("a", 64);
        add("b", 64);
        Job first = queue.take(1, clock, GRACE);
        queue.release(first, clock);
        queue.putBack(first);
        assertThat(queue.take(1, clock, GRACE)).as("its turn is still its own").isSameAs(first);
    }

    @Test
    void placeIsMade_byWhoeverHasTheMost_andOnlyIfHeHasClearlyMore() {
        List<Job> greedy = List.of(add("greedy", 16), add("greedy", 16), add("greedy", 16));
        add("polite", 16);
        assertThat(queue.displacedBy("new")).isSameAs(greedy.get(2));
        assertThat(queue.displacedBy("polite")).isSameAs(greedy.get(2));
        assertThat(queue.displacedBy("greedy")).isNull();
        queue.remove(greedy.get(2));
        assertThat(queue.displacedBy("polite")).as("both would have two").isNull();
        assertThat(queue.displacedBy("new")).isSameAs(greedy.get(1));
        queue.remove(greedy.get(1));
        assertThat(queue.displacedBy("new")).as("each has one").isNull();
    }

    // The places that clients are told are those that they get.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void order_isThatInWhichJobsAreTaken(long seed) {
        Random random = new Random(seed);
        for (int i = 0; i < 60; i++) {
            add("client " + random.nextInt(5), 16 * (1 + random.nextInt(40)));
            if (random.nextInt(3) == 0) {
                Job taken = queue.take(1, clock, GRACE);
                assertThat(taken).isNotNull();
                queue.release(taken, clock);
            }
            if (random.nextInt(5) == 0 && !queue.isEmpty()) {
                queue.remove(queue.inOrder().get(random.nextInt(queue.size())));
            }
        }
        List<Job> told = queue.inOrder();
        assertThat(told).hasSize(queue.size()).doesNotHaveDuplicates();
        List<Job> taken = new ArrayList<>();
        for (Job job = queue.take(1, clock, GRACE); job != null; job = queue.take(1, clock, GRACE)) {
            taken.add(job);
            queue.release(job, clock);
        }
        assertThat(taken).isEqualTo(told);
    }

    // Each polite client asks for its next picture when it has the one before, after a moment; the greedy one always
    // has many waiting.
    @ParameterizedTest
    @ValueSource(ints = {64, 256})
    void politeClients_haveTheirShareBesideAGreedyOne(int greedySide) {
        int places = 3;
        int polite = 4;
        Map<String, Double> served = new HashMap<>();
        Map<String, Long> back = new HashMap<>();
        for (int i = 0; i < polite; i++) {
            back.put("polite " + i, 0L);
        }
        List<Job> onDevice = new ArrayList<>();
        double all = 0;
        for (int turn = 0; turn < 3000; turn++) {
            while (queue.inOrder().stream()
                            .filter(job -> job.client().equals("greedy"))
                            .count()
                    < 30) {
                add("greedy", greedySide);
            }
            back.entrySet().removeIf(entry -> {
                boolean asks = entry.getValue() <= clock;
                if (asks) {
                    add(entry.getKey(), 64);
                }
                return asks;
            });
            for (Job next = take(places, onDevice); next != null; next = take(places, onDevice)) {
                onDevice.add(next);
            }
            Job done = onDevice.remove(0); // the pipeline draws in order
            clock += (long) (done.cost() * 1e6);
            queue.release(done, clock);
            all += done.cost();
            served.merge(done.client(), done.cost(), Double::sum);
            if (!done.client().equals("greedy")) {
                back.put(done.client(), clock + Duration.ofMillis(5).toNanos());
            }
        }
        double share = all / (polite + 1);
        for (int i = 0; i < polite; i++) {
            assertThat(served.get("polite " + i))
                    .as("of %s, a fifth of the work", share)
                    .isGreaterThanOrEqualTo(0.8 * share);
        }
    }

    private Job take(int places, List<Job> onDevice) {
        return onDevice.size() < places ? queue.take(places, clock, GRACE) : null;
    }
}
