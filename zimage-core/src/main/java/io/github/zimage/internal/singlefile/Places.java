package io.github.zimage.internal.singlefile;

import io.github.zimage.internal.weights.CheckpointFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where parts of a model are looked for that are not in its file: as ComfyUI lays them out, as diffusers does, and in hubs' caches. */
final class Places {
    private static final int LEVELS_UP = 3;
    private static final int LEVELS_DOWN = 3;
    private static final int MOST_FILES = 200;
    private static final Set<String> ENDINGS = Set.of("safetensors", "sft", "gguf");

    private static final Logger LOG = LoggerFactory.getLogger(Places.class);

    private final Path file;
    private final List<Path> snapshots;

    /**
     * Prepares to look for what a file lacks.
     *
     * @param file the file, absolute
     * @param caches where hubs' programs keep models
     */
    Places(Path file, HubCaches caches) {
        this.file = file;
        this.snapshots = caches.snapshots();
    }

    /** Returns the folder in diffusers' layout that the file lies in, if it does; else nothing. */
    List<Path> checkpoints() {
        return above().stream().limit(2).filter(CheckpointFolder::is).toList();
    }

    /** Returns the folders that a part is looked for in, nearest first, whether or not they are there. */
    List<Path> folders(PartKind<?> kind) {
        Set<Path> folders = new LinkedHashSet<>(checkpoints());
        above().stream().limit(1).forEach(folders::add);
        for (Path above : above()) {
            for (String name : kind.folders()) {
                if (above.equals(file.getParent()) || Files.isDirectory(above.resolve(name))) {
                    folders.add(above.resolve(name));
                }
            }
        }
        folders.addAll(snapshots);
        return List.copyOf(folders);
    }

    /** Returns the folders that may hold a tokenizer, nearest first. */
    List<Path> tokenizerFolders() {
        Set<Path> folders = new LinkedHashSet<>(checkpoints());
        above().stream().limit(1).forEach(folders::add);
        for (Path above : above()) {
            PartKind.TEXT_ENCODER.folders().stream()
                    .map(above::resolve)
                    .filter(Files::isDirectory)
                    .forEach(folders::add);
        }
        folders.addAll(snapshots);
        return List.copyOf(folders);
    }

    private List<Path> above() {
        List<Path> above = new ArrayList<>();
        Path folder = file.getParent();
        while (folder != null && above.size() < LEVELS_UP) {
            above.add(folder);
            folder = folder.getParent();
        }
        return above;
    }

    /** Returns what of a folder may hold a part: that of diffusers, or files in it, a few levels deep where it is no checkpoint. */
    List<Path> candidates(PartKind<?> kind, Path folder) {
        Path own = folder.resolve(kind.component().folder());
        if (CheckpointFolder.is(folder) || Files.exists(own.resolve("config.json"))) {
            return Files.isDirectory(own) ? List.of(own) : List.of();
        }
        List<Path> candidates = new ArrayList<>();
        if (Files.exists(folder.resolve("config.json"))) {
            candidates.add(folder);
        }
        int levels = folder.equals(file.getParent()) ? 1 : LEVELS_DOWN;
        try (Stream<Path> files = Files.walk(folder, levels)) {
            files.filter(each -> ENDINGS.contains(ending(each)) && Files.isRegularFile(each))
                    .filter(each -> !each.equals(file))
                    .sorted()
                    .limit(MOST_FILES)
                    .forEach(candidates::add);
        } catch (IOException | UncheckedIOException e) {
            LOG.debug("{} cannot be searched", folder, e);
        }
        return candidates;
    }

    private static String ending(Path file) {
        String name = String.valueOf(file.getFileName());
        return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    }
}
