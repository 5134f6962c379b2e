package io.github.zimage.internal.singlefile;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The folders that the programs of Hugging Face and ModelScope keep models in. They are only looked at. */
final class HubCaches {
    /** Models that have parts of Z-Image. */
    private static final Pattern MODELS = Pattern.compile(".*(z[-_]?image|qwen3-4b|flux\\.?1).*");

    private static final int MOST_SNAPSHOTS = 50;

    private final List<Path> roots;

    private HubCaches(List<Path> roots) {
        this.roots = roots;
    }

    /** Returns the caches that the environment names, or those in the user's home. */
    static HubCaches ofThisUser() {
        return of(System.getenv(), System.getProperty("user.home", ""));
    }

    static HubCaches of(Map<String, String> environment, String home) {
        List<Path> roots = new ArrayList<>();
        Path cache = path(environment.get("XDG_CACHE_HOME"));
        cache = cache == null && !home.isEmpty() ? path(home + "/.cache") : cache;
        Path hub = path(environment.get("HF_HUB_CACHE"));
        hub = hub == null ? path(environment.get("HUGGINGFACE_HUB_CACHE")) : hub;
        hub = hub == null ? below(path(environment.get("HF_HOME")), "hub") : hub;
        hub = hub == null ? below(cache, "huggingface/hub") : hub;
        add(roots, hub);
        Path scope = path(environment.get("MODELSCOPE_CACHE"));
        scope = scope == null && !home.isEmpty() ? path(home + "/.cache/modelscope") : scope;
        add(roots, below(scope, "models"));
        add(roots, below(scope, "hub/models"));
        return new HubCaches(roots);
    }

    private static void add(List<Path> roots, @Nullable Path root) {
        if (root != null) {
            roots.add(root);
        }
    }

    private static @Nullable Path below(@Nullable Path folder, String name) {
        return folder == null ? null : folder.resolve(name);
    }

    private static @Nullable Path path(@Nullable String text) {
        try {
            return text == null || text.isEmpty() ? null : Path.of(text).toAbsolutePath();
        } catch (InvalidPathException e) {
            return null;
        }
    }

    /** Returns where caches are looked for. */
    List<Path> roots() {
        return roots;
    }

    /** Returns the folders of models in the caches that may have parts of Z-Image. */
    List<Path> snapshots() {
        List<Path> snapshots = new ArrayList<>();
        for (Path root : roots) {
            for (Path model : entries(root)) {
                String name = String.valueOf(model.getFileName()).toLowerCase(Locale.ROOT);
                if (MODELS.matcher(name).matches()) {
                    snapshots.addAll(entries(model.resolve("snapshots")));
                } else if (!name.startsWith("models--")) {
                    entries(model).stream()
                            .filter(each -> MODELS.matcher(
                                            String.valueOf(each.getFileName()).toLowerCase(Locale.ROOT))
                                    .matches())
                            .forEach(snapshots::add);
                }
            }
        }
        return snapshots.stream()
                .filter(Files::isDirectory)
                .limit(MOST_SNAPSHOTS)
                .toList();
    }

    private static List<Path> entries(Path folder) {
        List<Path> entries = new ArrayList<>();
        if (!Files.isDirectory(folder)) {
            return entries;
        }
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
            stream.forEach(entries::add);
        } catch (IOException | DirectoryIteratorException e) {
            return List.of();
        }
        entries.sort(null);
        return entries;
    }
}
