package io.github.zimage.internal.conversion;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.FolderTrust;
import io.github.zimage.internal.io.PrivateFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps out weights that somebody else may have put into a cache: whoever can write there could have pictures drawn that nobody asked
 * for. Folders of a cache and files in them must belong to this user or to root, and nobody else may write to them.
 */
final class CacheTrust {
    private static final Logger LOG = LoggerFactory.getLogger(CacheTrust.class);
    private static final String REMEDY = ": name a folder of your own, or take others the right to write to it";

    private final Path root;
    private final FolderTrust trust = FolderTrust.ofThisUser();

    CacheTrust(Path root) {
        this.root = root;
    }

    /**
     * Makes the folder of some weights, and the cache's, if they are not there.
     *
     * @throws IOException if others own them, or may write to the cache's
     */
    void makeOwn(Path folder) throws IOException {
        PrivateFiles.createFolders(root);
        requireRoot();
        PrivateFiles.createFolder(folder);
        String foreign = trust.foreign(folder);
        if (foreign != null) {
            throw new IOException(foreign + REMEDY);
        }
        if (trust.open(folder)) {
            LOG.warn("Others may write to {}: that ends now, and what is in it is made anew", folder);
            PrivateFiles.restrictFolder(folder);
            for (Path file : FolderLock.list(folder, "*.safetensors")) {
                Files.deleteIfExists(file);
            }
        }
    }

    private void requireRoot() throws IOException {
        String problem = trust.problemAbove(root.toRealPath());
        if (problem != null) {
            throw new IOException(problem + REMEDY);
        }
    }

    /**
     * Makes sure that nobody else can have written a file.
     *
     * @throws IOException if the cache is one that others own or may write to
     * @throws ModelLoadException if the file or its folder is
     */
    void requireOwn(Path folder, Path file) throws IOException {
        requireRoot();
        for (Path each : new Path[] {folder, file}) {
            if (Files.isSymbolicLink(each)) {
                throw new ModelLoadException(each + " must not be a link");
            }
            String foreign = trust.foreign(each);
            if (foreign != null) {
                throw new ModelLoadException(foreign + REMEDY);
            }
            if (trust.open(each)) {
                throw new ModelLoadException("others may write to " + each + REMEDY);
            }
        }
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new ModelLoadException(file + " must be a file");
        }
    }
}
