package io.github.zimage.internal.natives;

import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.io.FolderTrust;
import io.github.zimage.internal.io.PrivateFiles;
import io.github.zimage.internal.system.Mounts;
import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the first folder that libraries can be unpacked to and loaded from, or other files to, and unpacks them. */
public final class BundleFolder {
    private static final Logger LOG = LoggerFactory.getLogger(BundleFolder.class);

    private static @Nullable BundleFolder ofLibraries;

    private final List<FolderCandidate> candidates;
    private final FolderTrust trust;
    private final Mounts mounts;
    private boolean warned;

    BundleFolder(List<FolderCandidate> candidates, FolderTrust trust, Mounts mounts) {
        this.candidates = candidates;
        this.trust = trust;
        this.mounts = mounts;
    }

    /** Returns that of native libraries; looks at environment, properties, user and mounts once. */
    public static synchronized BundleFolder ofLibraries() {
        if (ofLibraries == null) {
            ofLibraries = new BundleFolder(
                    FolderCandidate.of(System.getenv(), System.getProperties(), FolderTrust.userNumber()),
                    FolderTrust.ofThisUser(),
                    Mounts.of(SystemFiles.ofThisMachine()));
        }
        return ofLibraries;
    }

    /** Returns that of files that are no code: the same places, mounted {@code noexec} or not. */
    public static BundleFolder ofData() {
        return new BundleFolder(
                FolderCandidate.ofData(System.getenv(), System.getProperties(), FolderTrust.userNumber()),
                FolderTrust.ofThisUser(),
                new Mounts(List.of()));
    }

    /** Returns that of files that are no code, which all go below one folder. */
    public static BundleFolder in(Path folder) {
        return new BundleFolder(
                List.of(new FolderCandidate(folder.toAbsolutePath().normalize(), false, false)),
                FolderTrust.ofThisUser(),
                new Mounts(List.of()));
    }

    /**
     * Where libraries are.
     *
     * @param path absolute, without links
     * @param writable whether this process may write there
     * @param sameTimes whether the files have the times that they have in their jars
     */
    public record Unpacked(Path path, boolean writable, boolean sameTimes) {}

    /**
     * Puts libraries where they can be loaded from, unless they are there.
     *
     * @param name of the folder to make, which tells these libraries from those of other versions
     * @param now which to unpack
     * @param later which will be asked for with the same name; a folder without room for them is not taken
     * @throws NativeLibraryException if there is no such folder; the message says why each was not taken
     */
    public Unpacked unpack(String name, List<BundledFile> now, List<BundledFile> later) {
        try {
            return unpackInFirst(name, now, later, false);
        } catch (FolderRefused e) {
            throw new NativeLibraryException(
                    "no folder for the native libraries (%s): %s. Name one that belongs to this user, has that room and allows execution, by -D%s=FOLDER or %s=FOLDER"
                            .formatted(
                                    UnpackedFolder.megabytes(BundledFile.bytes(now) + BundledFile.bytes(later)),
                                    e.getMessage(),
                                    FolderCandidate.PROPERTY,
                                    FolderCandidate.VARIABLE),
                    e);
        }
    }

    /**
     * Puts files there, unless they are there with the bytes that they have in their jar, all of which are compared.
     *
     * @param name of the folder to make, and of folders above it, if it has slashes
     * @return the folder, absolute, without links
     * @throws IOException if there is no folder for them; the message says why each was not taken
     */
    public Path unpack(String name, List<BundledFile> files) throws IOException {
        try {
            return unpackInFirst(name, files, List.of(), true).path();
        } catch (FolderRefused e) {
            throw new IOException(
                    "there is no folder for it (%s): %s. Name one that belongs to this user and has that room, by XDG_CACHE_HOME=FOLDER or -Djava.io.tmpdir=FOLDER"
                            .formatted(UnpackedFolder.megabytes(BundledFile.bytes(files)), e.getMessage()),
                    e);
        }
    }

    private synchronized Unpacked unpackInFirst(
            String name, List<BundledFile> now, List<BundledFile> later, boolean thorough) throws FolderRefused {
        List<String> reasons = new ArrayList<>();
        for (FolderCandidate candidate : candidates) {
            try {
                Unpacked unpacked = unpackIn(candidate, name, now, later, thorough);
                if (!reasons.isEmpty()) {
                    LOG.debug("{} is used, because {}", unpacked.path(), String.join("; ", reasons));
                }
                return unpacked;
            } catch (FolderRefused e) {
                reasons.add("%s: %s".formatted(candidate.path(), e.getMessage()));
            } catch (IOException e) {
                reasons.add("%s: %s".formatted(candidate.path(), new FolderRefused(e).getMessage()));
            }
        }
        throw new FolderRefused(String.join("; ", reasons));
    }

    private Unpacked unpackIn(
            FolderCandidate candidate, String name, List<BundledFile> now, List<BundledFile> later, boolean thorough)
            throws IOException, FolderRefused {
        Path wanted = candidate.path().resolve(name);
        Path above = wanted.resolveSibling("");
        Path existing = nearestExisting(above);
        Path real = existing.toRealPath();
        if (!Files.isDirectory(real)) {
            throw new FolderRefused(existing + " is no folder");
        }
        checkAbove(candidate, real);
        if (mounts.noexec(real)) {
            throw new FolderRefused("nothing may be executed there, because it is mounted noexec");
        }
        Path base = real.resolve(existing.relativize(above)).normalize();
        Path own = base.resolve(wanted.getFileName());
        UnpackedFolder folder = new UnpackedFolder(own, trust, thorough);
        if (!folder.missing(now).isEmpty()) {
            Path parent = candidate.path().resolveSibling("");
            if (candidate.temporary() && !Files.isDirectory(parent)) {
                throw new FolderRefused(parent + " does not exist");
            }
            PrivateFiles.createFolders(base);
            checkAbove(candidate, base); // somebody else may have been faster
            folder.fill(now, later);
            if (!folder.missing(now).isEmpty()) {
                throw new FolderRefused("what is unpacked there does not stay as it is");
            }
        }
        return new Unpacked(own, Files.isWritable(own), folder.sameTimes());
    }

    /** Refuses a folder that others could change, unless the user named it, who then answers for what is above ours. */
    private void checkAbove(FolderCandidate candidate, Path real) throws IOException, FolderRefused {
        String problem = trust.problemAbove(real);
        if (problem != null && !candidate.named()) {
            throw new FolderRefused(problem);
        }
        if (problem != null && !warned) {
            warned = true;
            LOG.warn("{}, so whoever that is can exchange what is unpacked to {}", problem, candidate.path());
        }
    }

    private static Path nearestExisting(Path path) throws FolderRefused {
        for (Path each = path; each != null; each = each.getParent()) {
            if (Files.exists(each)) {
                return each;
            }
        }
        throw new FolderRefused("does not exist");
    }

    /**
     * Compares all bytes of libraries with the sums in their jars, and unpacks those anew that differ.
     *
     * @return the names of those that differed
     */
    public synchronized List<String> repair(Unpacked unpacked, List<BundledFile> libraries) {
        UnpackedFolder folder = new UnpackedFolder(unpacked.path(), trust, false);
        List<BundledFile> damaged = new ArrayList<>();
        for (BundledFile library : libraries) {
            try {
                if (!folder.hasBytesOf(library)) {
                    damaged.add(library);
                    PrivateFiles.deleteAll(unpacked.path().resolve(library.path()));
                }
            } catch (IOException e) {
                damaged.add(library);
            }
        }
        try {
            if (!damaged.isEmpty()) {
                folder.fill(damaged, List.of());
            }
        } catch (FolderRefused e) {
            LOG.warn("{}: {}", unpacked.path(), e.getMessage());
        }
        return damaged.stream().map(BundledFile::fileName).toList();
    }
}
