package io.github.zimage.internal.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.hub.HubException;
import io.github.zimage.hub.HubName;
import io.github.zimage.hub.HubName.Hub;
import io.github.zimage.hub.PullRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Finds models that are here: those that this program, or a hub's own tools, put into the hubs' caches. Opens no connection. */
public final class LocalModels {
    private static final int DEEPEST = 4;
    private static final int MOST_FILES = 10_000;
    private static final int MOST_INDEX_BYTES = 16_000_000;

    private final HubSettings settings;

    /** Looks where the settings say that caches are. */
    public LocalModels(HubSettings settings) {
        this.settings = settings;
    }

    /** Returns the folder or file that a request is for, if it is here whole. */
    public Optional<Path> find(PullRequest request) {
        for (Path folder : places(request)) {
            Path found = within(folder, request);
            if (found != null) {
                return Optional.of(found);
            }
        }
        return Optional.empty();
    }

    /** Returns where a model is looked for, the first place first; they need not exist. */
    public List<Path> places(PullRequest request) {
        HubName name = request.name();
        if (request.folder().isPresent()) {
            return List.of(request.folder().get().toAbsolutePath());
        }
        List<Path> places = new ArrayList<>();
        if (name.hub() == Hub.HUGGING_FACE) {
            Path model = HubCache.model(settings.cacheFolder(Hub.HUGGING_FACE), name);
            places.add(model.resolve("snapshots").resolve(commit(model, name)));
        }
        if (name.hub() == Hub.MODELSCOPE || name.revision().equals(Hub.HUGGING_FACE.defaultRevision())) {
            places.addAll(modelScope(name));
        }
        return places;
    }

    /** What a branch was when it was last fetched; what is no branch may be a commit. */
    private static String commit(Path model, HubName name) {
        Path ref = RepositoryPath.below(model.resolve("refs"), name.revision());
        try {
            if (Files.isRegularFile(ref) && Files.size(ref) < 100) {
                String text = Files.readString(ref).strip();
                if (FileDigest.isCommit(text)) {
                    return text;
                }
            }
        } catch (IOException e) {
            // as if there were none
        }
        return name.revision();
    }

    /** The four layouts that its library had, one after the other. */
    private List<Path> modelScope(HubName name) {
        Path cache = settings.cacheFolder(Hub.MODELSCOPE);
        String revision = name.hub() == Hub.MODELSCOPE ? name.revision() : Hub.MODELSCOPE.defaultRevision();
        String escaped = name.model().replace(".", "___");
        return List.of(
                modelScopeSnapshot(cache, name, revision),
                cache.resolve("models").resolve(name.owner()).resolve(escaped),
                cache.resolve("hub/models").resolve(name.owner()).resolve(escaped),
                cache.resolve("hub").resolve(name.owner()).resolve(name.model()));
    }

    /** Returns the folder of a revision in the layout that ModelScope's library has now. */
    static Path modelScopeSnapshot(Path cache, HubName name, String revision) {
        Path model = cache.resolve("models").resolve(name.owner() + "--" + name.model());
        return RepositoryPath.below(model.resolve("snapshots"), revision);
    }

    private static @Nullable Path within(Path folder, PullRequest request) {
        if (!Files.isDirectory(folder)) {
            return null;
        }
        try {
            List<HubFile> here = files(folder);
            List<HubFile> listed = listed(folder);
            if (listed == null && request.only().isEmpty() && isPart(here, request)) {
                return null;
            }
            List<HubFile> chosen = FileSelection.of(listed == null ? here : listed, request);
            List<String> paths = here.stream().map(HubFile::path).toList();
            for (HubFile file : chosen) {
                if (!paths.contains(file.path())
                        || (file.name().endsWith(".index.json") && !hasShards(folder, file, paths))) {
                    return null;
                }
            }
            HubFile single = FileSelection.single(chosen, request);
            return single == null ? folder : folder.resolve(single.path());
        } catch (IOException | HubException e) {
            return null;
        }
    }

    /** Whether these may be some files of a model that has more. */
    private static boolean isPart(List<HubFile> here, PullRequest request) {
        boolean checkpoint = here.stream().anyMatch(file -> file.path().equals(FileSelection.INDEX));
        return !checkpoint
                && (request.folder().isPresent()
                        || here.stream().anyMatch(file -> FileSelection.PARTS.contains(file.folder())));
    }

    /** Returns what Hugging Face's library wrote down of all files of a commit, or null if it did not. */
    private static @Nullable List<HubFile> listed(Path snapshot) throws IOException {
        Path list = snapshot.resolve("../../trees/" + snapshot.getFileName() + ".json")
                .normalize();
        if (!Files.isRegularFile(list) || Files.size(list) > MOST_INDEX_BYTES) {
            return null;
        }
        List<HubFile> files = new ArrayList<>();
        JsonNode tree = new JsonMapper().readTree(list.toFile()).path("files");
        tree.properties()
                .forEach(file -> files.add(
                        new HubFile(file.getKey(), file.getValue().path("size").asLong(), null)));
        return files.isEmpty() ? null : files;
    }

    private static List<HubFile> files(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder, DEEPEST)) {
            return paths.filter(Files::isRegularFile)
                    .limit(MOST_FILES)
                    .map(path -> new HubFile(
                            folder.relativize(path).toString().replace('\\', '/'),
                            path.toFile().length(),
                            null))
                    .filter(file -> !file.path().startsWith("."))
                    .toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Another program may have fetched some of them only. */
    private static boolean hasShards(Path folder, HubFile index, List<String> paths) throws IOException {
        if (index.bytes() > MOST_INDEX_BYTES) {
            return false;
        }
        JsonNode map =
                new JsonMapper().readTree(folder.resolve(index.path()).toFile()).path("weight_map");
        for (JsonNode shard : map) {
            if (!paths.contains(index.folder().isEmpty() ? shard.asText() : index.folder() + "/" + shard.asText())) {
                return false;
            }
        }
        return !map.isEmpty();
    }
}
