package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ZImageException;
import io.github.zimage.internal.device.Recorder;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * Protects the order of CUDA's calls around a recording: an allocation outside the pool, a stream that stays in capture, or a pool that is
 * freed while a graph lives shows on a card only, as pictures of other memory or as an error much later.
 */
final class CudaRecorderTest {
    private final FakeCapture capture = new FakeCapture();
    private final CudaRecorder<String, String> recorder = new CudaRecorder<>(capture);

    @Test
    void recording_capturesInThePool_andReplays() {
        Recorder.Recording recording = recorder.record(() -> capture.work("forward"));
        assertThat(capture.calls)
                .containsExactly(
                        "prepare",
                        "enter",
                        "beginPool",
                        "begin",
                        "forward",
                        "end",
                        "endPool",
                        "instantiate",
                        "destroyCaptured",
                        "leave");
        recording.replay();
        recording.replay();
        assertThat(capture.calls.subList(10, 12)).containsExactly("launch", "launch");
        recording.close();
        capture.assertClean(0);
        assertThat(capture.calls.subList(12, 14))
                .as("freed before its memory")
                .containsExactly("destroy", "releasePool");
        recorder.close();
        assertThat(capture.calls).endsWith("close");
    }

    @Test
    void rehearsal_runsOnTheStreamButCapturesNothing() {
        assertThat(recorder.<String>rehearse(() -> capture.work("forward"))).isEqualTo("forward");
        assertThatThrownBy(() -> recorder.rehearse(() -> {
                    throw new IllegalStateException("cancelled");
                }))
                .hasMessage("cancelled");
        assertThat(capture.calls).containsExactly("enter", "forward", "leave", "enter", "leave");
    }

    // Two shapes: the pool is freed with the last of them.
    @Test
    void recordingsShareThePool() {
        Recorder.Recording one = recorder.record(() -> capture.work("one"));
        Recorder.Recording other = recorder.record(() -> capture.work("other"));
        assertThat(capture.users).isEqualTo(2);
        one.close();
        other.replay();
        capture.assertClean(1);
        other.close();
        capture.assertClean(0);
    }

    // What failed is said; the stream is left, nothing stays in capture, and the pool has no user that nobody will
    // release.
    @Test
    void failureAtAnyCall_leavesTheCardUsable() {
        List<String> calls = List.of("prepare", "enter", "beginPool", "begin", "forward", "end", "instantiate");
        for (String call : calls) {
            Recorder.Recording before = recorder.record(() -> capture.work("before"));
            capture.failing = call;
            assertThatThrownBy(() -> recorder.record(() -> capture.work("forward")))
                    .isInstanceOf(ZImageException.class)
                    .hasMessage(call + " failed");
            capture.failing = "";
            capture.assertClean(1);
            before.replay();
            before.close();
            capture.assertClean(0);
        }
    }

    // The first failure is the cause; that ending the capture fails, too, follows from it.
    @Test
    void failureWhileCapturing_isTheOneThatIsTold() {
        capture.failing = "end";
        assertThatThrownBy(() -> recorder.record(() -> {
                    throw new ZImageException("operation not permitted when stream is capturing");
                }))
                .hasMessageContaining("not permitted")
                .satisfies(e -> assertThat(e.getSuppressed()[0]).hasMessage("end failed"));
        capture.failing = "";
        capture.assertClean(0);
    }

    @Test
    void graphThatCannotBeFreed_stillLetsItsMemoryGo() {
        Recorder.Recording recording = recorder.record(() -> capture.work("forward"));
        capture.failing = "destroy";
        recording.close();
        assertThat(capture.users).isZero();
    }

    @Test
    void buildWithoutTheCalls_isAnErrorThatCanBeHandled() {
        assertThatThrownBy(() -> recorder.record(() -> {
                    throw new UnsatisfiedLinkError("beginAllocateToPool");
                }))
                .isInstanceOf(ZImageException.class)
                .hasMessageContaining("does not have what recording needs");
        capture.assertClean(0);
    }

    /** Knows what may follow what. */
    private static final class FakeCapture implements Capture<String, String> {
        final List<String> calls = new ArrayList<>();
        final Set<String> captured = new TreeSet<>();
        final Set<String> executables = new TreeSet<>();
        String failing = "";
        int users;
        private boolean entered;
        private boolean pooled;
        private boolean capturing;

        void assertClean(int graphs) {
            assertThat(users).as("users of the pool").isEqualTo(graphs);
            assertThat(executables).hasSize(graphs);
            assertThat(captured).isEmpty();
            assertThat(List.of(entered, pooled, capturing)).containsOnly(false);
        }

        String work(String name) {
            assertThat(entered).as("on the stream for recording").isTrue();
            call(name);
            return name;
        }

        private void call(String name) {
            calls.add(name);
            if (name.equals(failing)) {
                throw new ZImageException(name + " failed");
            }
        }

        @Override
        public void prepare() {
            call("prepare");
            assertThat(capturing).isFalse();
        }

        @Override
        public void enter() {
            call("enter");
            assertThat(entered).isFalse();
            entered = true;
        }

        @Override
        public void leave() {
            call("leave");
            assertThat(capturing).isFalse();
            entered = false;
        }

        @Override
        public void beginPool() {
            call("beginPool");
            assertThat(pooled).isFalse();
            pooled = true;
            users++;
        }

        @Override
        public void endPool() {
            call("endPool");
            assertThat(pooled).isTrue();
            assertThat(capturing).isFalse();
            pooled = false;
        }

        @Override
        public void releasePool() {
            call("releasePool");
            users--;
            assertThat(users).isNotNegative();
        }

        @Override
        public void begin() {
            call("begin");
            assertThat(entered && pooled).isTrue();
            capturing = true;
        }

        @Override
        public String end() {
            assertThat(capturing).isTrue();
            capturing = false;
            call("end");
            String graph = "graph " + calls.size();
            captured.add(graph);
            return graph;
        }

        @Override
        public String instantiate(String graph) {
            call("instantiate");
            assertThat(captured).contains(graph);
            String executable = "executable " + calls.size();
            executables.add(executable);
            return executable;
        }

        @Override
        public void destroyCaptured(String graph) {
            call("destroyCaptured");
            assertThat(captured.remove(graph)).isTrue();
        }

        @Override
        public void launch(String executable) {
            call("launch");
            assertThat(executables).contains(executable);
        }

        @Override
        public void destroy(String executable) {
            call("destroy");
            assertThat(executables.remove(executable)).isTrue();
        }

        @Override
        public void close() {
            call("close");
        }
    }
}
