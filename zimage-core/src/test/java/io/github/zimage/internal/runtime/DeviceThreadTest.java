package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ZImageException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
final class DeviceThreadTest {
    private final DeviceThread device = new DeviceThread("test-device");

    @AfterEach
    void close() {
        device.close(() -> {});
    }

    @Test
    void tasks_runInOrder_onOneThread_withoutGradients() throws Exception {
        List<Integer> order = new ArrayList<>();
        List<CompletableFuture<Thread>> threads = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            int number = i;
            threads.add(device.submit(() -> {
                order.add(number);
                return Thread.currentThread();
            }));
        }
        Thread thread = threads.get(49).get();
        for (int i = 0; i < 50; i++) {
            assertThat(threads.get(i).get()).isSameAs(thread);
            assertThat(order.get(i)).isEqualTo(i);
        }
        assertThat(thread.getName()).isEqualTo("test-device");
        assertThat(thread.isDaemon()).as("must not keep the JVM alive").isTrue();
        assertThat(device.submit(InferenceMode::is_enabled).get()).isTrue();
    }

    @Test
    void failures_areTranslated_andTheThreadGoesOn() throws Exception {
        CompletableFuture<Long> failing = device.submit(() -> {
            try (PointerScope scope = new PointerScope()) {
                return torch.ones(2).view(3).numel();
            }
        });
        assertThatThrownBy(failing::get)
                .hasCauseInstanceOf(ZImageException.class)
                .hasMessageContaining("LibTorch failed: shape '[3]' is invalid for input of size 2");
        AssertionError error = new AssertionError("boom");
        assertThatThrownBy(device.submit(() -> {
                    throw error;
                })::get)
                .isInstanceOf(ExecutionException.class)
                .hasCause(error);
        assertThat(device.submit(() -> 7).get()).isEqualTo(7);
    }

    @Test
    void cancelledTask_isNotStarted() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        queue(() -> await(release));
        List<String> ran = new ArrayList<>();
        CompletableFuture<Boolean> cancelled = device.submit(() -> ran.add("cancelled"));
        cancelled.cancel(false);
        release.countDown();
        device.submit(() -> ran.add("next")).get();
        assertThat(ran).containsExactly("next");
    }

    @Test
    void close_runsWhatWaits_thenTheLastTask_onTheSameThread() {
        List<String> ran = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            queue(() -> ran.add("task"));
        }
        queue(() -> threads.add(Thread.currentThread()));
        device.close(() -> {
            ran.add("last");
            threads.add(Thread.currentThread());
        });
        assertThat(ran).containsExactly("task", "task", "task", "last");
        assertThat(threads.get(0)).isSameAs(threads.get(1));
        assertThatIllegalStateException()
                .isThrownBy(() -> device.submit(() -> 1))
                .withMessage("pipeline is closed");
    }

    @Test
    void close_ofAnInterruptedThread_stillWaits_andKeepsTheFlag() {
        List<String> ran = new ArrayList<>();
        Thread.currentThread().interrupt();
        device.close(() -> ran.add("last"));
        assertThat(Thread.interrupted()).isTrue();
        assertThat(ran).containsExactly("last");
    }

    // A queue without end turns a rush into an OutOfMemoryError an hour later.
    @Test
    void fullQueue_refuses() {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        queue(() -> {
            started.countDown();
            return await(release);
        });
        await(started);
        for (int i = 0; i < DeviceThread.QUEUE_CAPACITY; i++) {
            queue(() -> 1);
        }
        assertThatIllegalStateException()
                .isThrownBy(() -> device.submit(() -> 1))
                .withMessage("too many generations wait: at most 1024 may");
        release.countDown();
    }

    private void queue(Supplier<?> task) {
        device.execute(new CompletableFuture<Object>(), task::get);
    }

    private static boolean await(CountDownLatch latch) {
        try {
            return latch.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
