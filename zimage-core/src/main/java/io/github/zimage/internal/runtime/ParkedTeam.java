package io.github.zimage.internal.runtime;

import java.util.concurrent.CountDownLatch;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Threads of OpenMP that do nothing. While GNU's runtime manages more threads than there are processors, all of them look 100 times
 * instead of {@code GOMP_SPINCOUNT} times whether the others are done, and then sleep. Nobody else can tell it so once it is loaded.
 * These belong to a thread of ours and end with it.
 */
final class ParkedTeam implements SpinGovernor.Team {
    /** So much work that LibTorch shares it out. */
    private static final long NUMBERS = 1 << 17;

    private final int size;
    private @Nullable CountDownLatch released;

    /**
     * Parks nothing yet.
     *
     * @param size how many threads there are to be
     */
    ParkedTeam(int size) {
        this.size = size;
    }

    @Override
    public void park() {
        CountDownLatch latch = new CountDownLatch(1);
        released = latch;
        Thread owner = new Thread(() -> hold(latch), "zimage-parked");
        owner.setDaemon(true);
        owner.start();
    }

    private void hold(CountDownLatch latch) {
        torch.set_num_threads(size);
        try (PointerScope scope = new PointerScope()) {
            torch.ones(NUMBERS).add_(new Scalar(1));
        }
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void release() {
        if (released != null) {
            released.countDown();
            released = null;
        }
    }
}
