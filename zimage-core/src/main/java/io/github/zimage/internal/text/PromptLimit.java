package io.github.zimage.internal.text;

import io.github.zimage.PromptTooLongException;
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
     * @param name what it is in a request, for messages
     * @throws PromptTooLongException if there are too many, unless they are to be cut off
     */
    public int[] of(String name, String prompt) {
        check(name, prompt);
        int[] ids = tokens.of(prompt);
        if (ids.length <= most) {
            return ids;
        }
        LOG.warn("{} has {} tokens; those after {} are cut off", name, ids.length, most);
        return Arrays.copyOf(ids, most);
    }

    /** As the other one, of what a request calls its prompt. */
    public int[] of(String prompt) {
        return of("prompt", prompt);
    }

    /** As {@link #of}, but says nothing of what will be cut off. */
    public void check(String name, String prompt) {
        int count = tokens.of(prompt).length;
        if (count > most && !truncates) {
            throw new PromptTooLongException(name, count, most);
        }
    }
}
