package io.github.zimage.cuda;

import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/** Copies and computes on a thread each, at any speed; like a card it goes on with what was ordered, whatever the caller does. */
final class FakeCard implements Copies<CompletableFuture<?>> {
    final AtomicInteger wrong = new AtomicInteger();
    final AtomicInteger memories = new AtomicInteger();
    /** How many memories there can be; 0 for any number. */
    int room;

    private final ExecutorService copying = Executors.newSingleThreadExecutor();
    private final ExecutorService computing = Executors.newSingleThreadExecutor();
    private final Random random;

    FakeCard(long seed) {
        random = new Random(seed);
    }

    private synchronized void dawdle() {
        long until = System.nanoTime() + random.nextInt(300_000);
        while (System.nanoTime() < until) {
            Thread.onSpinWait();
        }
    }

    private static CompletableFuture<?> order(ExecutorService stream, Runnable work) {
        return CompletableFuture.runAsync(work, stream);
    }

    Future<?> compute(Runnable work) {
        return computing.submit(work);
    }

    /** Looks twice, with some time between, whether numbers are all the same. */
    void check(FloatPointer place, float expected) {
        for (int look = 0; look < 2; look++) {
            for (int i = 0; i < place.capacity(); i += 255) {
                if (place.get(i) != expected) {
                    wrong.incrementAndGet();
                }
            }
            dawdle();
        }
    }

    @Override
    public synchronized @Nullable Pointer allocate(long bytes) {
        if (room > 0 && memories.get() >= room) {
            return null;
        }
        memories.incrementAndGet();
        return new BytePointer(bytes).retainReference();
    }

    @Override
    public void free(Pointer memory) {
        memories.decrementAndGet();
        memory.close();
    }

    @Override
    public synchronized CompletableFuture<?> copy(
            @Nullable Pointer from, Pointer to, long bytes, @Nullable CompletableFuture<?> after) {
        return order(copying, () -> {
            if (after != null) {
                after.join();
            }
            dawdle();
            if (from != null) {
                Pointer.memcpy(to, from, bytes);
            }
        });
    }

    @Override
    public void computeAfter(CompletableFuture<?> copied) {
        compute(copied::join);
    }

    @Override
    public CompletableFuture<?> computed() {
        return order(computing, () -> {});
    }

    @Override
    public CompletableFuture<?> again(CompletableFuture<?> event) {
        return event;
    }

    @Override
    public void await(CompletableFuture<?> event) {
        event.join();
    }

    @Override
    public void drain() {
        order(copying, () -> {}).join();
    }

    @Override
    public void close() {
        copying.shutdown();
        computing.shutdown();
    }
}
