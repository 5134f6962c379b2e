package io.github.zimage.cuda;

import io.github.zimage.ZImageException;
import io.github.zimage.internal.device.Recorder;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Records CUDA graphs, as LibTorch's own class for that does, which the presets do not have: on a stream beside the default one, where
 * nothing can be captured, and in a pool of LibTorch's allocator that nothing else gets memory from, since a graph goes on using it.
 *
 * @param <G> what was captured
 * @param <E> what can be launched
 */
final class CudaRecorder<G, E> implements Recorder {
    private static final Logger LOG = LoggerFactory.getLogger(CudaRecorder.class);

    private final Capture<G, E> capture;

    CudaRecorder(Capture<G, E> capture) {
        this.capture = capture;
    }

    @Override
    public <T> T rehearse(Supplier<T> work) {
        capture.enter();
        try {
            return work.get();
        } finally {
            capture.leave();
        }
    }

    @Override
    public Recording record(Runnable work) {
        try {
            capture.prepare();
            return new Graph(instantiate(work));
        } catch (LinkageError e) {
            throw new ZImageException("this build of LibTorch or CUDA does not have what recording needs", e);
        }
    }

    /** Returns what can be launched, after which the pool has one user more. */
    private E instantiate(Runnable work) {
        capture.enter();
        try {
            capture.beginPool();
            try {
                G captured;
                try {
                    captured = capture(work);
                } finally {
                    capture.endPool();
                }
                try {
                    return capture.instantiate(captured);
                } finally {
                    capture.destroyCaptured(captured);
                }
            } catch (RuntimeException | Error e) {
                capture.releasePool();
                throw e;
            }
        } finally {
            capture.leave();
        }
    }

    private G capture(Runnable work) {
        capture.begin();
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            abandon(e);
            throw e;
        }
        return capture.end();
    }

    /** What went wrong first says more than that nothing came of it. */
    private void abandon(Throwable first) {
        try {
            capture.destroyCaptured(capture.end());
        } catch (RuntimeException e) {
            first.addSuppressed(e);
        }
    }

    @Override
    public void close() {
        capture.close();
    }

    /** A graph, which is a user of the pool. */
    private final class Graph implements Recording {
        private final E executable;

        Graph(E executable) {
            this.executable = executable;
        }

        @Override
        public void replay() {
            capture.launch(executable);
        }

        @Override
        public void close() {
            try {
                capture.destroy(executable);
            } catch (RuntimeException e) {
                LOG.warn("A CUDA graph could not be freed: {}", e.getMessage());
            } finally {
                capture.releasePool();
            }
        }
    }
}
