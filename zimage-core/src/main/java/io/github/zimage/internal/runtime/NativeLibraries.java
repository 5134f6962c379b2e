package io.github.zimage.internal.runtime;

import java.util.Optional;

/**
 * Knows of another build of LibTorch than the CPU's, found through {@link java.util.ServiceLoader} before any is loaded, because a
 * process can have only one.
 */
public interface NativeLibraries {
    /**
     * Chooses the build to load, if this machine can use another than the CPU's. Must not touch a class of LibTorch unless its
     * libraries resolve, and does not throw because they do not.
     *
     * @return why it is the CPU's and what to do about that, as one sentence; empty if it is another
     */
    Optional<String> choose();
}
