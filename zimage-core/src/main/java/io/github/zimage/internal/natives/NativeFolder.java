package io.github.zimage.internal.natives;

import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.io.FolderTrust;
import io.github.zimage.internal.io.PrivateFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the first folder that libraries can be unpacked to and loaded from, and unpacks them. */
public final class NativeFolder {
    private static final Logger LOG = LoggerFactory.getLogger(NativeFolder.class);

    private static @Nullable NativeFolder ofThisProcess;

    private final List<FolderCandidate> candidates;
    private final FolderTrust trust;
    private final Mounts mounts;
    private boolean warned;

    NativeFolder(List<FolderCandidate> candidates, FolderTrust trust, Mounts mounts) {
        this.candidates = candidates;
        this.trust = trust;
        this.mounts = mounts;
    }

    /** Returns that of this process; looks at environment, properties, user and mounts once. */
    public static synchronized NativeFolder ofThisProcess() {
        if (ofThisProcess == null) {
            ofThisProcess = new NativeFolder(
                    FolderCandidate.of(System.getenv(), System.getProperties(), FolderTrust.userNumber()),
                    FolderTrust.ofThisUser(),
                    Mounts.ofThisProcess());
        }
        return ofThisProcess;
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
    public synchronized Unpacked unpack(String name, List<BundledLibrary> now, List<BundledLibrary> later) {
        List<String> reasons = new ArrayList<>();
        for (FolderCandidate candidate : candidates) {
            try {
                Unpacked unpacked = unpackIn(candidate, name, now, later);
                if (!reasons.isEmpty()) {
                    LOG.debug("Native libraries are in {}, because {}", unpacked.path(), String.join("; ", reasons));
                }
                return unpacked;
            } catch (FolderRefused e) {
                reasons.add("%s: %s".formatted(candidate.path(), e.getMessage()));
            } catch (IOException e) {
                reasons.add("%s: %s".formatted(candidate.path(), new FolderRefused(e).getMessage()));
            }
        }
        throw new NativeLibraryException(
                "no folder for the native libraries (%s): %s. Name one that belongs to this user, has that room and allows execution, by -D%s=FOLDER or %s=FOLDER"
                        .formatted(
                                UnpackedFolder.megabytes(BundledLibrary.bytes(now) + BundledLibrary.bytes(later)),
                                String.join("; ", reasons),
                                FolderCandidate.PROPERTY,
                                FolderCandidate.VARIABLE));
    }

    private Unpacked unpackIn(
            FolderCandidate candidate, String name, List<BundledLibrary> now, List<BundledLibrary> later)
            throws IOException, FolderRefused {
        Path existing = nearestExisting(candidate.path());
        Path real = existing.toRealPath();
        if (!Files.isDirectory(real)) {
            throw new FolderRefused(existing + " is no folder");
        }
        checkAbove(candidate, real);
        if (mounts.noexec(real)) {
            throw new FolderRefused("nothing may be executed there, because it is mounted noexec");
        }
        Path base = real.resolve(existing.relativize(candidate.path())).normalize();
        UnpackedFolder folder = new UnpackedFolder(base.resolve(name), trust);
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
        return new Unpacked(base.resolve(name), Files.isWritable(base.resolve(name)), folder.sameTimes());
    }

    /** Refuses a folder that others could change, unless the user named it, who then answers for what is above ours. */
    private void checkAbove(FolderCandidate candidate, Path real) throws IOException, FolderRefused {
        String problem = trust.problemAbove(real);
        if (problem != null && !candidate.named()) {
            throw new FolderRefused(problem);
        }
        if (problem != null && !warned) {
            warned = true;
            LOG.warn("{}, so whoever that is can exchange the native libraries in {}", problem, candidate.path());
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
    public synchronized List<String> repair(Unpacked unpacked, List<BundledLibrary> libraries) {
        UnpackedFolder folder = new UnpackedFolder(unpacked.path(), trust);
        List<BundledLibrary> damaged = new ArrayList<>();
        for (BundledLibrary library : libraries) {
            try {
                if (!folder.hasBytesOf(library)) {
                    damaged.add(library);
                    Files.deleteIfExists(unpacked.path().resolve(library.path()));
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
        return damaged.stream().map(BundledLibrary::fileName).toList();
    }
}
