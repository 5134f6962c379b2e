package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubException;
import io.github.zimage.internal.io.AtomicFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Brings one file here, unless it is, whole and checked. Used by one thread. */
final class FileDownload {
    private static final Logger LOG = LoggerFactory.getLogger(FileDownload.class);
    private static final Duration POLL = Duration.ofMillis(200);
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private final HubFile file;
    private final Store store;
    private final Transfer transfer;
    private final PullProgress progress;
    private final Pause pause;

    FileDownload(HubFile file, Store store, Transfer transfer, PullProgress progress, Pause pause) {
        this.file = file;
        this.store = store;
        this.transfer = transfer;
        this.progress = progress;
        this.pause = pause;
    }

    /**
     * Brings it.
     *
     * @throws HubException if that is not possible; the message says why
     * @throws InterruptedException if the thread was interrupted; what has come stays
     */
    void run() throws InterruptedException {
        try {
            bring();
        } catch (HubRefusal e) {
            throw failed(e, e.isTemporary());
        } catch (DiskFailure e) {
            throw new HubException(
                    "%s cannot be written to %s: %s; make room, or name another disk, and pull again: it goes on where it ended"
                            .formatted(file.path(), store.folder(), AtomicFile.reason(e.failure())),
                    false,
                    e);
        } catch (WrongContent e) {
            throw failed(e, false);
        } catch (IOException e) {
            if (Thread.currentThread().isInterrupted()) {
                throw (InterruptedException) new InterruptedException().initCause(e);
            }
            throw failed(e, true);
        }
        progress.whole(file);
    }

    private HubException failed(IOException e, boolean temporary) {
        String advice = temporary ? "; what has come is kept, pull again and it goes on there" : "";
        return new HubException(
                "%s cannot be fetched: %s%s".formatted(file.path(), Retries.reason(e), advice), temporary, e);
    }

    private void bring() throws IOException, InterruptedException {
        long size = -1;
        long since = System.nanoTime();
        while (!store.has(file)) {
            try (BlobLock lock = BlobLock.tryAcquire(store.lock(file))) {
                if (lock != null) {
                    fetch();
                    return;
                }
            }
            long grown = size(store.partial(file));
            if (grown != size) {
                size = grown;
                since = System.nanoTime();
                progress.set(file, Math.min(grown, file.bytes()));
            } else if (System.nanoTime() - since > PATIENCE.toNanos()) {
                throw new WrongContent("another process fetches it and has not got on for %d minutes; end that one"
                        .formatted(PATIENCE.toMinutes()));
            }
            pause.take(POLL);
        }
    }

    private static long size(Path path) {
        return path.toFile().length(); // 0 if there is none
    }

    private void fetch() throws IOException, InterruptedException {
        if (store.has(file) || store.adopt(file)) {
            return;
        }
        Path partial = store.partial(file);
        Files.createDirectories(Objects.requireNonNull(partial.getParent()));
        try {
            transfer.into(partial, file, progress);
        } catch (WrongContent e) {
            LOG.debug("{} is fetched once more from its beginning", file.path(), e);
            progress.retry(file, Retries.reason(e), Duration.ZERO);
            Files.deleteIfExists(partial);
            progress.set(file, 0);
            again(partial);
        }
        store.keep(file);
    }

    private void again(Path partial) throws IOException, InterruptedException {
        try {
            transfer.into(partial, file, progress);
        } catch (WrongContent e) {
            Files.deleteIfExists(partial);
            throw e;
        }
    }
}
