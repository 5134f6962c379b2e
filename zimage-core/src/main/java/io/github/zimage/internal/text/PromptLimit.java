package io.github.zimage.internal.text;

import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How long prompts may be.
 *
 * @param tokens what divides them
 * @param most how many tokens one may have, those of the chat template among them
 * @param truncates whether one that has more is cut off, instead of being refused
 */
public record PromptLimit(PromptTokens tokens, int most, boolean truncates) {
    private static final Logger LOG = LoggerFactory.getLogger(PromptLimit.class);

    /**
     * Returns a prompt's tokens. Logs a warning if some are cut off.
     *
     * @throws IllegalArgumentException if there are too many, unless they are to be cut off
     */
    public int[] of(String prompt) {
        check(prompt);
        int[] ids = tokens.of(prompt);
        if (ids.length <= most) {
            return ids;
        }
        LOG.warn("prompt has {} tokens; those after {} are cut off", ids.length, most);
        return Arrays.copyOf(ids, most);
    }

    /** As {@link #of}, but says nothing of what will be cut off. */
    public void check(String prompt) {
        int count = tokens.of(prompt).length;
        if (count > most && !truncates) {
            throw new IllegalArgumentException(
                    ("prompt must have at most %d tokens, but has %d (with those of the chat template): shorten it, raise the"
                                    + " limit, or ask for it to be cut off")
                            .formatted(most, count));
        }
    }
}
