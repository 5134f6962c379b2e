package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubName;
import io.github.zimage.internal.io.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Objects;
import java.util.UUID;

/**
 * The cache of Hugging Face's own library: contents under their digests in {@code blobs}, links to them under the files' names in a
 * folder for each commit, and in {@code refs} the commits that branches stand for. Where links cannot be made, the contents themselves
 * lie in the commit's folder.
 */
final class HubCache implements Store {
    private static final String TAG = """
            Signature: 8a477f597d28d172789f06886806bc55
            # This folder is a cache of models from Hugging Face.
            """;

    private final Path cache;
    private final Path model;
    private final Path locks;
    private final String revision;
    private final String commit;
    private final boolean links;

    /** @param links whether links can be tried */
    HubCache(Path cache, HubName name, String commit, boolean links) {
        this.cache = cache;
        model = model(cache, name);
        locks = cache.resolve(".locks").resolve(folderName(name));
        revision = name.revision();
        this.commit = commit;
        this.links = links;
    }

    /** Returns the folder of a model in a cache. */
    static Path model(Path cache, HubName name) {
        return cache.resolve(folderName(name));
    }

    private static String folderName(HubName name) {
        return "models--" + name.owner() + "--" + name.model();
    }

    @Override
    public Path folder() {
        return model.resolve("snapshots").resolve(commit);
    }

    private Path blob(HubFile file) {
        return model.resolve("blobs").resolve(digest(file));
    }

    private static String digest(HubFile file) {
        return Objects.requireNonNull(file.digest()).hex();
    }

    @Override
    public boolean has(HubFile file) {
        return isWhole(blob(file), file) || isWhole(pointer(file), file);
    }

    private static boolean isWhole(Path path, HubFile file) {
        return Files.isRegularFile(path) && path.toFile().length() == file.bytes();
    }

    private Path pointer(HubFile file) {
        return RepositoryPath.below(folder(), file.path());
    }

    @Override
    public boolean adopt(HubFile file) {
        return false; // what lies under a digest's name has that content
    }

    @Override
    public Path partial(HubFile file) {
        return model.resolve("blobs").resolve(digest(file) + ".zimage.incomplete");
    }

    @Override
    public Path lock(HubFile file) {
        return locks.resolve(digest(file) + ".lock");
    }

    @Override
    public void keep(HubFile file) throws IOException {
        Files.move(partial(file), blob(file), StandardCopyOption.ATOMIC_MOVE);
    }

    @Override
    public void publish(List<HubFile> files) throws IOException {
        tag();
        for (HubFile file : files) {
            Path pointer = pointer(file);
            if (!isWhole(pointer, file)) {
                Files.createDirectories(Objects.requireNonNull(pointer.getParent()));
                point(pointer, blob(file));
            }
        }
        if (!revision.equals(commit)) {
            Path ref = RepositoryPath.below(model.resolve("refs"), revision);
            Files.createDirectories(Objects.requireNonNull(ref.getParent()));
            AtomicFile.write(ref, commit.getBytes(StandardCharsets.US_ASCII));
        }
    }

    private void tag() throws IOException {
        try {
            Files.writeString(
                    cache.resolve("CACHEDIR.TAG"), TAG, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        } catch (FileAlreadyExistsException e) {
            // as it should be
        }
    }

    private void point(Path pointer, Path blob) throws IOException {
        Path temporary = pointer.resolveSibling(".zimage-" + UUID.randomUUID() + ".tmp");
        try {
            if (!linked(temporary, pointer, blob)) {
                Files.move(blob, temporary);
            }
            Files.move(temporary, pointer, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** Returns whether a link could be made; on Windows that is a privilege, and some file systems know none. */
    private boolean linked(Path temporary, Path pointer, Path blob) {
        if (!links) {
            return false;
        }
        try {
            Files.createSymbolicLink(
                    temporary, Objects.requireNonNull(pointer.getParent()).relativize(blob));
            return true;
        } catch (IOException | UnsupportedOperationException | SecurityException e) {
            return false;
        }
    }
}
