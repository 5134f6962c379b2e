package io.github.zimage.internal.text;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.github.zimage.ModelLoadException;
import io.github.zimage.PromptOverflow;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The tokens of prompts, within the limit that was set. Thread-safe. */
public final class PromptTokens implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PromptTokens.class);

    private final PromptTokenizer tokenizer;
    private final int vocabSize;
    private final int limit;
    private final PromptOverflow overflow;

    private PromptTokens(PromptTokenizer tokenizer, int vocabSize, int limit, PromptOverflow overflow) {
        this.tokenizer = tokenizer;
        this.vocabSize = vocabSize;
        this.limit = limit;
        this.overflow = overflow;
    }

    /**
     * Loads a checkpoint's tokenizer.
     *
     * @param limit how many tokens a prompt may have, those of the chat template among them
     */
    public static PromptTokens load(Checkpoint checkpoint, int limit, PromptOverflow overflow) {
        PromptTokenizer tokenizer = PromptTokenizer.load(checkpoint.tokenizer());
        return new PromptTokens(tokenizer, checkpoint.textEncoder().vocabSize(), limit, overflow);
    }

    /**
     * Returns a prompt's tokens, those of the chat template among them. Logs a warning if some are cut off.
     *
     * @throws IllegalArgumentException if there are too many, unless they are to be cut off
     * @throws ModelLoadException if the text encoder does not know one of them
     */
    public int[] of(String prompt) {
        int[] ids = check(prompt);
        if (ids.length <= limit) {
            return ids;
        }
        LOG.warn("prompt has {} tokens; those after {} are cut off", ids.length, limit);
        return Arrays.copyOf(ids, limit);
    }

    /** As {@link #of}, but returns all tokens, also those to be cut off, and logs nothing. */
    @CanIgnoreReturnValue
    public int[] check(String prompt) {
        int[] ids = tokenizer.encodePrompt(prompt);
        for (int id : ids) {
            if (id < 0 || id >= vocabSize) {
                throw new ModelLoadException(
                        "tokenizer/tokenizer.json: the tokenizer gave token %d, but the text encoder knows only %d: they do not belong together"
                                .formatted(id, vocabSize));
            }
        }
        if (ids.length > limit && overflow == PromptOverflow.ERROR) {
            throw new IllegalArgumentException(
                    ("prompt must have at most %d tokens, but has %d (with those of the chat template): shorten it, raise the"
                                    + " limit, or ask for it to be cut off")
                            .formatted(limit, ids.length));
        }
        return ids;
    }

    /** Returns how many tokens a prompt has, those of the chat template among them. The limit does not matter. */
    public int count(String prompt) {
        return tokenizer.encodePrompt(prompt).length;
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
