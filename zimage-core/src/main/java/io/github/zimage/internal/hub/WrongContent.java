package io.github.zimage.internal.hub;

import java.io.IOException;

/** What came is not what the hub lists. */
final class WrongContent extends IOException {
    private static final long serialVersionUID = 1L;

    WrongContent(String message) {
        super(message);
    }
}
