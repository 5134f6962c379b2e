package io.github.zimage.internal.conversion;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares all bytes of converted weights with their checksums while a pipeline uses them, once, on a thread of its own that takes no more than
 * 3 % of a processor. Weights that are corrupt are marked in their file, so that every process converts them anew at its next start, and
 * whoever computes with them is told. Thread-safe.
 */
public final class ConvertedCheck implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ConvertedCheck.class);

    /** It rests so many times as long as it works. */
    private static final long REST = 33;

    private final List<Path> files;
    private final Thread thread;
    private volatile boolean closed;
    private volatile @Nullable String damage;

    private ConvertedCheck(List<Path> files) {
        this.files = files;
        thread = new Thread(this::run, "zimage-checksums");
        thread.setDaemon(true);
    }

    /**
     * Starts to check what a pipeline has in place of a checkpoint's own weights; does nothing if that is nothing.
     *
     * @param own the checkpoint
     * @param used the same, with converted weights in place of some of its own
     */
    public static ConvertedCheck start(Checkpoint own, Checkpoint used) {
        Set<Path> converted = new LinkedHashSet<>();
        for (Component component : Component.values()) {
            if (EngineLayout.supports(component) && used.weights(component) != own.weights(component)) {
                converted.addAll(used.weights(component).files());
            }
        }
        ConvertedCheck check = new ConvertedCheck(new ArrayList<>(converted));
        if (!check.files.isEmpty()) {
            check.thread.start();
        }
        return check;
    }

    /**
     * Refuses to go on if weights that were checked are corrupt.
     *
     * @throws ModelLoadException if so; the message names the file and the remedy
     */
    public void requireSound() {
        String found = damage;
        if (found != null) {
            throw new ModelLoadException(found + ": build the pipeline anew, which converts them again");
        }
    }

    private void run() {
        for (Path file : files) {
            try {
                String tensor = ConvertedFile.firstDamaged(file, this::rest);
                if (tensor != null) {
                    report(file, tensor);
                    return;
                }
            } catch (IOException | ModelLoadException e) {
                LOG.debug("{} was not checked", file, e); // it is replaced or gone, or this ends
            }
        }
        LOG.debug("Converted weights have their checksums: {}", files);
    }

    /** Is not disturbed by {@link #close}: an interrupted thread could not write the mark. */
    private synchronized void report(Path file, String tensor) {
        boolean interrupted = Thread.interrupted();
        String what = "%s: converted weights are corrupt, tensor %s does not have its checksum"
                .formatted(file, ModelFile.quote(tensor));
        damage = what; // before the file says so: requests look at that, too, and this says more
        String marked = "It is converted again at the next start";
        try {
            ConvertedFile.markDamaged(file);
        } catch (IOException e) {
            LOG.debug("{} cannot be marked", file, e);
            marked = "Delete it: it cannot be marked";
        }
        LOG.warn("{}. Images generated with them may be wrong, and this pipeline generates no more. {}", what, marked);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Rests after some work.
     *
     * @param nanos how long that took
     * @throws IOException if the check is to end
     */
    private void rest(long nanos) throws IOException {
        try {
            Thread.sleep(Math.max(1, nanos * REST / 1_000_000));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (closed) {
            throw new IOException("the pipeline was closed");
        }
    }

    /** Ends the check, finished or not. */
    @Override
    public synchronized void close() {
        closed = true;
        thread.interrupt();
    }
}
