package io.github.zimage.internal.natives;

import io.github.zimage.internal.io.FolderTrust;
import io.github.zimage.internal.io.PrivateFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder of unpacked libraries or other files, which any number of processes may fill and use at once: each file is written under another name,
 * compared with the sum in the jar, and then renamed, so that nobody ever sees half of one, and what others have mapped stays as it is.
 */
final class UnpackedFolder {
    private static final Logger LOG = LoggerFactory.getLogger(UnpackedFolder.class);
    private static final String LOCK = ".lock";
    private static final String PART = ".part";
    private static final long WORTH_SAYING_BYTES = 100_000_000;
    private static final long LOCK_LIMIT_NANOS = 300_000_000_000L;

    private final Path folder;
    private final FolderTrust trust;
    private final boolean thorough;

    /** Whether each folder below could only be written to by those who are trusted; asked once. */
    private final Map<Path, Boolean> soundFolders = new HashMap<>();

    private boolean sameTimes = true;

    /** @param thorough whether all bytes are always compared with the sums, and not only where a time differs */
    UnpackedFolder(Path folder, FolderTrust trust, boolean thorough) {
        this.folder = folder;
        this.trust = trust;
        this.thorough = thorough;
    }

    /** Returns whether the libraries looked at so far have the times that they have in their jars. */
    boolean sameTimes() {
        return sameTimes;
    }

    /** Returns which libraries are not there as they should be: other sizes or bytes, links, or something that others could write. */
    List<BundledFile> missing(List<BundledFile> libraries) {
        List<BundledFile> missing = new ArrayList<>();
        for (BundledFile library : libraries) {
            try {
                if (!isSound(library)) {
                    missing.add(library);
                }
            } catch (IOException e) {
                missing.add(library);
            }
        }
        return missing;
    }

    private boolean isSound(BundledFile library) throws IOException {
        Path file = folder.resolve(library.path());
        if (!isSoundFolder(parent(file))) {
            return false;
        }
        BasicFileAttributes found = Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        if (!found.isRegularFile()
                || found.size() != library.size()
                || trust.foreign(file) != null
                || trust.open(file)) {
            return false;
        }
        if (found.lastModifiedTime().toMillis() == library.millis()) {
            return !thorough || hasBytesOf(library);
        }
        // Some builders of images and archives drop times; whoever changes a file changes its time.
        sameTimes = false;
        return hasBytesOf(library);
    }

    /** Returns whether a file has the sum that its library has in the jar. */
    boolean hasBytesOf(BundledFile library) throws IOException {
        Path file = folder.resolve(library.path());
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        try (InputStream in = Files.newInputStream(file)) {
            return copy(in, OutputStream.nullOutputStream()) == library.crc();
        }
    }

    private boolean isSoundFolder(Path below) throws IOException {
        Boolean known = soundFolders.get(below);
        if (known != null) {
            return known;
        }
        boolean sound = Files.isDirectory(below, LinkOption.NOFOLLOW_LINKS)
                && trust.foreign(below) == null
                && !trust.open(below)
                && (below.equals(folder) || isSoundFolder(parent(below)));
        soundFolders.put(below, sound);
        return sound;
    }

    /**
     * Puts the libraries there that are missing.
     *
     * @param now which shall be there
     * @param later which will be asked for; there must be room for them, too
     * @throws FolderRefused if that is not possible; what was written is taken back then
     */
    void fill(List<BundledFile> now, List<BundledFile> later) throws FolderRefused {
        List<Path> written = new ArrayList<>();
        try {
            boolean wasOpen = ensureFolder(folder);
            try (UnpackLock lock = UnpackLock.acquire(folder.resolve(LOCK), LOCK_LIMIT_NANOS)) {
                if (lock.held()) {
                    deleteLeftovers();
                }
                soundFolders.clear();
                List<BundledFile> missing = wasOpen ? now : missing(now);
                checkRoom(BundledFile.bytes(missing) + BundledFile.bytes(missing(later)));
                if (BundledFile.bytes(missing) > WORTH_SAYING_BYTES) {
                    LOG.info(
                            "Unpacking native libraries ({}), once, to {}",
                            megabytes(BundledFile.bytes(missing)),
                            folder);
                }
                for (BundledFile library : missing) {
                    unpack(library, written);
                }
            }
            soundFolders.clear();
            sameTimes = true;
        } catch (IOException e) {
            takeBack(written);
            throw new FolderRefused(e);
        } catch (FolderRefused e) {
            takeBack(written);
            throw e;
        }
    }

    private static Path parent(Path path) {
        return path.resolveSibling("");
    }

    static String megabytes(long bytes) {
        return (bytes + 999_999) / 1_000_000 + " MB";
    }

    private void checkRoom(long needed) throws IOException, FolderRefused {
        long free = Files.getFileStore(folder).getUsableSpace();
        if (free < needed) {
            throw new FolderRefused("%s are free, %s are needed".formatted(megabytes(free), megabytes(needed)));
        }
    }

    private void unpack(BundledFile library, List<Path> written) throws IOException, FolderRefused {
        Path file = folder.resolve(library.path());
        ensureFolders(parent(file));
        Path part = file.resolveSibling("." + library.fileName() + "." + UUID.randomUUID() + PART);
        try {
            if (!linkedToTwin(library, part)) {
                write(library, part);
            }
            if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                PrivateFiles.deleteAll(file);
            }
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            written.add(file);
        } finally {
            Files.deleteIfExists(part);
        }
    }

    private void write(BundledFile library, Path part) throws IOException {
        try (InputStream in = library.source().open();
                OutputStream out = Files.newOutputStream(createPrivate(part), StandardOpenOption.WRITE)) {
            if (copy(in, out) != library.crc() || Files.size(part) != library.size()) {
                throw new IOException("%s is damaged in its jar".formatted(library.path()));
            }
        }
        Files.setLastModifiedTime(part, FileTime.fromMillis(library.millis()));
    }

    private static Path createPrivate(Path file) throws IOException {
        Files.newByteChannel(
                        file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), PrivateFiles.fileMode())
                .close();
        PrivateFiles.restrictFile(file);
        return file;
    }

    /** Gives a library the name of one more that has the same bytes; returns whether that was possible. */
    private boolean linkedToTwin(BundledFile library, Path part) {
        String twin = library.twin();
        if (twin == null) {
            return false;
        }
        try {
            Files.createLink(part, folder.resolve(twin));
            return true;
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    /** Copies all bytes and returns their CRC-32. */
    private static long copy(InputStream in, OutputStream out) throws IOException {
        CRC32 sum = new CRC32();
        byte[] buffer = new byte[1 << 16];
        for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
            sum.update(buffer, 0, count);
            out.write(buffer, 0, count);
        }
        return sum.getValue();
    }

    private void ensureFolders(Path below) throws IOException, FolderRefused {
        if (!below.equals(folder)) {
            ensureFolders(parent(below));
        }
        ensureFolder(below);
    }

    /** Makes a folder of ours as it should be. Returns whether others could have written to it. */
    private boolean ensureFolder(Path own) throws IOException, FolderRefused {
        boolean wrongKind =
                Files.exists(own, LinkOption.NOFOLLOW_LINKS) && !Files.isDirectory(own, LinkOption.NOFOLLOW_LINKS);
        if (wrongKind) {
            PrivateFiles.deleteAll(own);
        }
        PrivateFiles.createFolder(own);
        String foreign = trust.foreign(own);
        if (foreign != null) {
            throw new FolderRefused(foreign);
        }
        boolean open = trust.open(own);
        if (open) {
            PrivateFiles.restrictFolder(own);
        }
        return open;
    }

    /** Deletes what processes that were killed left behind. */
    private void deleteLeftovers() throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path file : all.filter(path -> path.getFileName().toString().endsWith(PART))
                    .toList()) {
                PrivateFiles.deleteAll(file);
            }
        }
    }

    /** Deletes what was written in vain, which would fill the disk of somebody who has no room. */
    private void takeBack(List<Path> written) {
        try {
            for (Path file : written) {
                Files.deleteIfExists(file);
            }
            for (Path file : written) {
                deleteEmpty(parent(file));
            }
        } catch (IOException e) {
            LOG.debug("{} could not be cleaned", folder, e);
        }
    }

    private void deleteEmpty(Path below) {
        try {
            for (Path each = below; !each.equals(folder); each = parent(each)) {
                Files.deleteIfExists(each);
            }
        } catch (IOException e) {
            LOG.trace("{} is not empty", below, e);
        }
    }
}
