package io.github.zimage.internal.hub;

import org.jspecify.annotations.Nullable;

/**
 * A file of a repository.
 *
 * @param path with slashes; not yet checked
 * @param bytes its length
 * @param digest of its content, or null for a file that is only known from a disk
 */
record HubFile(String path, long bytes, @Nullable FileDigest digest) {
    /** Returns the name behind the last slash. */
    String name() {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /** Returns the folder, or an empty text for the repository's own. */
    String folder() {
        return path.substring(0, Math.max(0, path.lastIndexOf('/')));
    }

    boolean isWeights() {
        return path.endsWith(".safetensors") || path.endsWith(".gguf") || path.endsWith(".sft");
    }
}
