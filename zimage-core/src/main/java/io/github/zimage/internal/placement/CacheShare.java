package io.github.zimage.internal.placement;

import java.util.HashSet;
import java.util.Set;

/**
 * Which of the blocks that are read over and over are left to the system's page cache. It keeps what was used last, so of more than fits
 * into it nothing is ever found there again: by the time that a block's turn comes, the others have driven it out. So some have the
 * cache to themselves, and the others are read past it. Thread-safe.
 */
final class CacheShare {
    /** The rest is for what the process allocates meanwhile. */
    private static final double SHARE = 0.5;

    private final boolean all;
    private final Set<Integer> cached = new HashSet<>();
    private final long unitBytes;
    private long left;

    /**
     * Chooses nothing yet.
     *
     * @param unitBytes the size of a block in the files
     * @param units how many there are
     * @param available how much memory the system could give; {@link Long#MAX_VALUE} if that is not known
     */
    CacheShare(long unitBytes, int units, long available) {
        this.unitBytes = unitBytes;
        left = (long) (SHARE * available);
        all = unitBytes <= left / Math.max(1, units);
    }

    /** Returns whether a block that is about to be read is left to the cache; always the same for the same block. */
    synchronized boolean keeps(int unit) {
        if (all || cached.contains(unit)) {
            return true;
        }
        if (left < unitBytes) {
            return false;
        }
        left -= unitBytes;
        return cached.add(unit);
    }
}
