package io.github.zimage.internal.device;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Records on the processor: keeps the work and does it again. As on a card, what is replayed reads the tensors that it was recorded with,
 * and what they hold while it is recorded does not matter.
 */
public final class FakeRecorder implements Recorder {
    /** How often each thing was done. */
    public final AtomicInteger rehearsals = new AtomicInteger();

    public final AtomicInteger recordings = new AtomicInteger();
    public final AtomicInteger replays = new AtomicInteger();

    /** How many recordings there are now. */
    public final AtomicInteger open = new AtomicInteger();

    public final AtomicInteger closed = new AtomicInteger();

    /** Which of all recordings and replays fails, from 1 on; 0: none. */
    public volatile int failAt;

    /** What the next rehearsal fails with, after its work is done. */
    public volatile @Nullable RuntimeException rehearsalFailure;

    private final AtomicInteger calls = new AtomicInteger();

    private static void requireGuard() {
        if (FakeAccelerator.GUARDS.get() == 0) {
            throw new AssertionError("nobody said on which card");
        }
    }

    private void call() {
        requireGuard();
        if (calls.incrementAndGet() == failAt) {
            throw new IllegalStateException("not permitted here");
        }
    }

    @Override
    public <T> T rehearse(Supplier<T> work) {
        rehearsals.incrementAndGet();
        T result = work.get();
        RuntimeException failing = rehearsalFailure;
        if (failing != null) {
            rehearsalFailure = null;
            throw failing;
        }
        return result;
    }

    @Override
    public Recording record(Runnable work) {
        work.run();
        call();
        recordings.incrementAndGet();
        open.incrementAndGet();
        return new Recording() {
            private boolean ended;

            @Override
            public void replay() {
                if (ended) {
                    throw new AssertionError("replayed after its end");
                }
                call();
                replays.incrementAndGet();
                work.run();
            }

            @Override
            public void close() {
                requireGuard();
                if (ended) {
                    throw new AssertionError("closed twice");
                }
                ended = true;
                open.decrementAndGet();
            }
        };
    }

    @Override
    public void close() {
        if (open.get() != 0) {
            throw new AssertionError("recordings outlive their recorder");
        }
        closed.incrementAndGet();
    }
}
