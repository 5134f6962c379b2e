package io.github.zimage.hub;

import io.github.zimage.ZImageException;
import org.jspecify.annotations.Nullable;

/** A model could not be fetched from a hub, or found in a cache. The message says why and what to do; it never holds a token. */
public final class HubException extends ZImageException {
    private static final long serialVersionUID = 1L;

    private final boolean temporary;

    /**
     * Creates an exception.
     *
     * @param temporary whether the same call may succeed later, as when a connection was cut
     */
    public HubException(String message, boolean temporary, @Nullable Throwable cause) {
        super(message, cause);
        this.temporary = temporary;
    }

    /** Creates an exception for what will fail again until something is changed. */
    public HubException(String message) {
        this(message, false, null);
    }

    /** Returns whether the same call may succeed later, as when a connection was cut; what has been fetched is kept for it. */
    public boolean isTemporary() {
        return temporary;
    }
}
