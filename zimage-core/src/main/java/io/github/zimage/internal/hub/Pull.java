package io.github.zimage.internal.hub;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.hub.HubException;
import io.github.zimage.hub.HubName;
import io.github.zimage.hub.HubName.Hub;
import io.github.zimage.hub.PullListener;
import io.github.zimage.hub.PullPlan;
import io.github.zimage.hub.PullPlan.PlannedFile;
import io.github.zimage.hub.PullRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One download: asks a hub what there is, chooses, fetches, and lets the files appear when all of them are here. Not thread-safe. */
public final class Pull implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Pull.class);

    private final HubSettings settings;
    private final PullRequest request;
    private final PullListener listener;
    private final StallWatch watch;
    private final HubClient client;
    private final Repository repository;
    private final Repository.Listing listing;
    private final List<HubFile> files;
    private final Store store;

    /**
     * Asks the hub.
     *
     * @throws HubException if it does not answer, or has not what was asked for
     * @throws GenerationCancelledException if the calling thread is interrupted
     */
    public Pull(HubSettings settings, PullRequest request, PullListener listener) {
        this.settings = settings;
        this.request = request;
        this.listener = listener;
        HubName name = request.name();
        client = new HubClient(settings, name.hub());
        watch = new StallWatch(settings.patience());
        boolean done = false;
        try {
            repository = name.hub() == Hub.HUGGING_FACE
                    ? new HuggingFace(client, watch, name, this::retries)
                    : new ModelScope(client, watch, name, this::retries);
            listing = repository.list();
            files = FileSelection.of(listing.files(), request);
            RepositoryPath.check(files);
            store = store();
            done = true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new GenerationCancelledException("interrupted while a hub was asked", e);
        } catch (IOException e) {
            throw HubErrors.of(name, client, e);
        } finally {
            if (!done) {
                watch.close();
            }
        }
    }

    private Retries retries() {
        return new Retries(settings.pause(), (reason, wait) -> retry("the list of files", reason, wait));
    }

    private void retry(String path, String reason, Duration wait) {
        LOG.debug("{} is asked for again in {} s: {}", path, wait.toSeconds(), reason);
        listener.onRetry(path, reason, wait);
    }

    private Store store() {
        HubName name = request.name();
        String owner = name.hub() == Hub.HUGGING_FACE ? "huggingface" : "zimage";
        Path cache = settings.cacheFolder(name.hub());
        if (request.folder().isPresent()) {
            return new PlainFolder(request.folder().get().toAbsolutePath(), owner, listing.commit());
        }
        return name.hub() == Hub.HUGGING_FACE
                ? new HubCache(cache, name, listing.commit(), !settings.avoidsLinks())
                : new PlainFolder(
                        LocalModels.modelScopeSnapshot(cache, name, listing.commit()), owner, listing.commit());
    }

    /** Returns what there is to do, and writes nothing. */
    public PullPlan plan() {
        List<PlannedFile> planned = files.stream()
                .map(file -> new PlannedFile(file.path(), file.bytes(), present(file)))
                .toList();
        return new PullPlan(request.name(), listing.commit(), store.folder(), planned, DiskSpace.free(store.folder()));
    }

    private long present(HubFile file) {
        long partial = store.partial(file).toFile().length();
        return store.has(file) ? file.bytes() : partial > file.bytes() ? 0 : partial;
    }

    /**
     * Fetches what is not here. Returns the folder, or the file if the request was for one.
     *
     * @throws HubException if that is not possible
     * @throws GenerationCancelledException if the calling thread is interrupted; what has come is kept
     */
    public Path run() {
        PullPlan plan = plan();
        listener.onPlan(plan);
        requireFolder(store.folder());
        DiskSpace.check(plan);
        PullProgress progress = new PullProgress(listener, plan.bytes());
        Transfer transfer = new Transfer(client, watch, repository, listing, settings.pause());
        List<FileDownload> rest = downloads(false, transfer, progress);
        List<FileDownload> index = downloads(true, transfer, progress);
        Downloads.run(rest, settings.parallel(), watch);
        Downloads.run(index, 1, watch);
        publish();
        HubFile single = FileSelection.single(files, request);
        return single == null ? store.folder() : RepositoryPath.below(store.folder(), single.path());
    }

    /** The smallest first: what is wrong with access or the disk shows early. What makes a folder a checkpoint comes last. */
    private List<FileDownload> downloads(boolean index, Transfer transfer, PullProgress progress) {
        return files.stream()
                .filter(file -> file.path().equals(FileSelection.INDEX) == index)
                .sorted(Comparator.comparing(HubFile::isWeights).thenComparing(HubFile::path))
                .map(file -> new FileDownload(file, store, transfer, progress, settings.pause()))
                .toList();
    }

    private static void requireFolder(Path folder) {
        for (Path each = folder; each != null; each = each.getParent()) {
            if (Files.exists(each)) {
                if (!Files.isDirectory(each)) {
                    throw new HubException("models cannot be kept in %s: %s is no folder".formatted(folder, each));
                }
                return;
            }
        }
    }

    private void publish() {
        try {
            List<HubFile> last = files.stream()
                    .sorted(Comparator.comparing((HubFile file) -> file.path().equals(FileSelection.INDEX)))
                    .toList();
            store.publish(last);
        } catch (IOException e) {
            throw new HubException(
                    "the files are here, but cannot be put into %s: %s".formatted(store.folder(), Retries.reason(e)),
                    false,
                    e);
        }
    }

    @Override
    public void close() {
        watch.close();
    }
}
