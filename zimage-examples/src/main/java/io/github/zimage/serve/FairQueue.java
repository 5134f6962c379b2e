package io.github.zimage.serve;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * Jobs that wait, in fair turns among clients: next is one of the client that has had the least work of the devices, counted from when it
 * came (start-time fair queueing, Goyal, Vin and Cheng 1996). Jobs of one client keep their order. Not thread-safe.
 */
final class FairQueue {
    private final Map<String, Share> shares = new LinkedHashMap<>();
    private int size;
    private double virtualTime;

    /** What one client has and had. */
    private static final class Share {
        private final Deque<Job> waiting = new ArrayDeque<>();
        private int onDevice;
        private double served;
        private long lastSeen;

        private boolean isIdle() {
            return waiting.isEmpty() && onDevice == 0;
        }
    }

    int size() {
        return size;
    }

    boolean isEmpty() {
        return size == 0;
    }

    /** Adds a job behind the others of its client. */
    void add(Job job) {
        share(job.client()).waiting.addLast(job);
        size++;
    }

    /** Puts back a job whose work was for nothing, before the others of its client. */
    void putBack(Job job) {
        Share share = share(job.client());
        share.waiting.addFirst(job);
        share.served -= job.cost();
        size++;
    }

    private Share share(String client) {
        Share share = shares.computeIfAbsent(client, name -> new Share());
        if (share.isIdle()) {
            // Time in which it asked for nothing gives no claim.
            share.served = Math.max(share.served, virtualTime);
        }
        return share;
    }

    /** Removes a job, if it waits. */
    void remove(Job job) {
        Share share = shares.get(job.client());
        if (share != null && share.waiting.remove(job)) {
            size--;
        }
    }

    /**
     * Takes the job whose turn it is, and counts it as on a device. Nobody keeps the devices from clients that were here a moment ago
     * and only fetch their pictures before they ask again: while there are several, each has its part of the devices' places.
     *
     * @param places how many jobs the devices hold at once
     * @param now the clock, in nanoseconds
     * @param grace how long a client counts that asks for nothing
     * @return null if none may begin now
     */
    @Nullable
    Job take(int places, long now, Duration grace) {
        shares.values().removeIf(share -> share.isIdle() && now - share.lastSeen > grace.toNanos());
        int each = Math.max(1, places / Math.max(1, shares.size()));
        Share next = shares.values().stream()
                .filter(share -> !share.waiting.isEmpty() && share.onDevice < each)
                .min(Comparator.comparingDouble(share -> share.served))
                .orElse(null);
        if (next == null) {
            return null;
        }
        Job job = next.waiting.removeFirst();
        size--;
        virtualTime = Math.max(virtualTime, next.served);
        next.served += job.cost();
        next.onDevice++;
        return job;
    }

    /** Notes that a job that was taken is no longer on a device. */
    void release(Job job, long now) {
        Share share = shares.get(job.client());
        if (share != null && share.onDevice > 0) {
            share.onDevice--;
            share.lastSeen = now;
        }
    }

    /**
     * Returns the job that has to make room for a client when there is none left: the last of the client that has the most, if that has
     * at least two more than this one. Does not remove it.
     *
     * @return null if none has to
     */
    @Nullable
    Job displacedBy(String client) {
        Share own = shares.get(client);
        int after = 1 + (own == null ? 0 : own.waiting.size());
        return shares.values().stream()
                .max(Comparator.comparingInt(share -> share.waiting.size()))
                .filter(most -> most.waiting.size() > after)
                .map(most -> most.waiting.getLast())
                .orElse(null);
    }

    /** Returns all in the order in which their turns come if no others are added. */
    List<Job> inOrder() {
        PriorityQueue<Turn> turns = new PriorityQueue<>();
        shares.values().forEach(share -> {
            if (!share.waiting.isEmpty()) {
                turns.add(new Turn(share.served, turns.size(), share.waiting.iterator()));
            }
        });
        List<Job> order = new ArrayList<>(size);
        for (Turn turn = turns.poll(); turn != null; turn = turns.poll()) {
            Job job = turn.jobs.next();
            order.add(job);
            if (turn.jobs.hasNext()) {
                turns.add(new Turn(turn.served + job.cost(), turn.rank, turn.jobs));
            }
        }
        return order;
    }

    /** The next turn of a client. */
    private record Turn(double served, int rank, Iterator<Job> jobs) implements Comparable<Turn> {
        @Override
        public int compareTo(Turn other) {
            int byService = Double.compare(served, other.served);
            return byService != 0 ? byService : Integer.compare(rank, other.rank);
        }
    }
}
