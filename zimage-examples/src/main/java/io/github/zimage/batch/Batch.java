package io.github.zimage.batch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.io.Sha256;
import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * Draws all pictures of a table that are not drawn yet. A picture is written beside its place and renamed, then its row is added to the
 * manifest; so however often this is killed and started again, each key ends with one whole picture and one row. Not thread-safe.
 */
final class Batch {
    private static final int ERROR_LENGTH = 1000;

    private record Pending(BatchJob job, CompletableFuture<Painter.Picture> picture) {}

    private final RowReader reader;
    private final Painter painter;
    private final Path folder;
    private final Shard shard;
    private final int inFlight;
    private final Deque<Pending> pending = new ArrayDeque<>();
    private final Set<String> pendingKeys = new HashSet<>();
    private long drawn;
    private long skipped;
    private long failed;

    /** @param inFlight how many pictures are ordered at once */
    Batch(RowReader reader, Painter painter, Path folder, Shard shard, int inFlight) {
        this.reader = reader;
        this.painter = painter;
        this.folder = folder;
        this.shard = shard;
        this.inFlight = inFlight;
    }

    /**
     * Draws.
     *
     * @param retryErrors whether rows that were errors in an earlier run are tried again
     * @throws IOException if a file cannot be written; what is drawn until then stays
     */
    BatchRun.Counts run(Table table, boolean retryErrors, BatchRun.Progress progress) throws IOException {
        Files.createDirectories(folder);
        try (Manifest manifest = Manifest.open(folder.resolve(shard.manifestName()), row -> stays(row, retryErrors))) {
            while (table.hasNext()) {
                order(table.next(), manifest);
                progress.advance(counts(), table.progress());
            }
            while (!pending.isEmpty()) {
                finishOldest(manifest);
                progress.advance(counts(), 1);
            }
        } finally {
            pending.forEach(each -> each.picture().cancel(true));
        }
        return counts();
    }

    private BatchRun.Counts counts() {
        return new BatchRun.Counts(drawn, skipped, failed);
    }

    private boolean stays(JsonNode row, boolean retryErrors) {
        JsonNode file = row.get("file");
        return file == null
                ? !retryErrors
                : Files.isRegularFile(file(row.path("key").asText()));
    }

    private void order(TableRow row, Manifest manifest) throws IOException {
        List<BatchJob> jobs;
        try {
            jobs = reader.jobs(row);
        } catch (InvalidRequestException e) {
            fail(reader.errorKey(row), RowReader.id(row), e, manifest);
            return;
        }
        for (BatchJob job : jobs) {
            if (shard.has(job.key())) {
                order(job, manifest);
            }
        }
    }

    private void order(BatchJob job, Manifest manifest) throws IOException {
        if (manifest.has(job.key()) || pendingKeys.contains(job.key())) {
            skipped++;
            return;
        }
        Path file = file(job.key());
        if (Files.isRegularFile(file)) {
            manifest.add(job.key(), row(job).put("file", name(job.key())).put("sha256", Sha256.of(file)));
            skipped++;
            return;
        }
        while (pending.size() >= inFlight) {
            finishOldest(manifest);
        }
        pendingKeys.add(job.key());
        pending.add(new Pending(job, ordered(job)));
    }

    private CompletableFuture<Painter.Picture> ordered(BatchJob job) {
        try {
            return painter.draw(job.request());
        } catch (InvalidRequestException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private void finishOldest(Manifest manifest) throws IOException {
        Pending oldest = pending.remove();
        BatchJob job = oldest.job();
        try {
            save(job, drawn(oldest), manifest);
        } catch (InvalidRequestException | OutOfDeviceMemoryException e) {
            fail(job.key(), job.id(), e, manifest);
        } finally {
            pendingKeys.remove(job.key());
        }
    }

    /** Waits for a picture; one for which memory was short is tried once more. */
    private Painter.Picture drawn(Pending pending) {
        try {
            return joined(pending.picture());
        } catch (OutOfDeviceMemoryException e) {
            return joined(painter.draw(pending.job().request()));
        }
    }

    private static Painter.Picture joined(CompletableFuture<Painter.Picture> picture) {
        try {
            return picture.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
    }

    private void save(BatchJob job, Painter.Picture picture, Manifest manifest) throws IOException {
        Path file = file(job.key());
        Files.createDirectories(file.getParent());
        AtomicFile.write(file, picture.png());
        ObjectNode row = row(job).put("file", name(job.key()))
                .put("sha256", Sha256.of(file))
                .put("width", picture.width())
                .put("height", picture.height())
                .put("millis", picture.millis());
        manifest.add(job.key(), row);
        drawn++;
    }

    private void fail(String key, String id, RuntimeException reason, Manifest manifest) throws IOException {
        if (!shard.has(key)) {
            return;
        }
        if (manifest.has(key)) {
            skipped++;
            return;
        }
        String error = ShownText.joined(String.valueOf(reason.getMessage()));
        manifest.add(key, row(key, id).put("error", error.substring(0, Math.min(ERROR_LENGTH, error.length()))));
        failed++;
    }

    private static ObjectNode row(BatchJob job) {
        ObjectNode row = row(job.key(), job.id());
        Long seed = job.request().seed();
        return seed == null ? row : row.put("seed", Long.toUnsignedString(seed));
    }

    private static ObjectNode row(String key, @Nullable String id) {
        return JsonNodeFactory.instance.objectNode().put("key", key).put("id", id);
    }

    private Path file(String key) {
        return folder.resolve(name(key));
    }

    private static String name(String key) {
        return key.substring(0, 2) + "/" + key + ".png";
    }
}
