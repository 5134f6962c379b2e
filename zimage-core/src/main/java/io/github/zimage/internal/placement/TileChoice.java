package io.github.zimage.internal.placement;

import io.github.zimage.placement.VaeTiling;
import java.util.function.LongSupplier;

/**
 * Whether a picture goes in tiles.
 *
 * @param tiling what the user wants
 * @param room tells how many bytes a picture may take on the way; with {@link VaeTiling.Mode#AUTO}, one that would take more goes in tiles
 */
public record TileChoice(VaeTiling tiling, LongSupplier room) {
    /** Returns what a user wants where there is room for any picture. */
    public static TileChoice of(VaeTiling tiling) {
        return new TileChoice(tiling, () -> Long.MAX_VALUE);
    }

    /** Decides by what the picture would take as a whole, in bytes. */
    public boolean isTiled(LongSupplier whole) {
        return switch (tiling.mode()) {
            case ON -> true;
            case OFF -> false;
            case AUTO -> whole.getAsLong() > room.getAsLong();
        };
    }

    /** Returns how many rows are computed at a time if there are tiles. */
    public int rowsAtOnce(int width) {
        return DecodeMemory.rowsAtOnce(tiling, width);
    }
}
