package io.github.zimage.internal.engine;

import java.util.Arrays;

/**
 * A prompt's tokens, those of the chat template among them. Prompts with the same tokens are equal.
 *
 * @param ids not to be changed
 */
@SuppressWarnings("ArrayRecordComponent") // compared by content below
public record TokenIds(int[] ids) {
    @Override
    public boolean equals(Object other) {
        return other instanceof TokenIds that && Arrays.equals(ids, that.ids);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(ids);
    }

    @Override
    public String toString() {
        return ids.length + " tokens";
    }
}
