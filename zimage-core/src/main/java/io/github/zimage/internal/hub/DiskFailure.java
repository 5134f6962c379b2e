package io.github.zimage.internal.hub;

import java.io.IOException;

/** A file could not be written, which no other answer of a hub would change. */
final class DiskFailure extends IOException {
    private static final long serialVersionUID = 1L;

    private final IOException failure;

    DiskFailure(IOException failure) {
        super(failure);
        this.failure = failure;
    }

    IOException failure() {
        return failure;
    }
}
