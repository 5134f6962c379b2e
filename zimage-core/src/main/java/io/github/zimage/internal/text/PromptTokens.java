package io.github.zimage.internal.text;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The tokens of prompts, by a checkpoint's tokenizer. Those of the latest prompts are remembered, so that a prompt that is counted,
 * checked and drawn is divided once. Belongs to all who {@linkplain #retain retained} it. Thread-safe.
 */
public final class PromptTokens implements AutoCloseable {
    private static final int REMEMBERED = 32;

    private final PromptTokenizer tokenizer;
    private final int vocabSize;
    private final Map<String, int[]> latest = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, int[]> eldest) {
            return size() > REMEMBERED;
        }
    };
    private int owners = 1;

    private PromptTokens(PromptTokenizer tokenizer, int vocabSize) {
        this.tokenizer = tokenizer;
        this.vocabSize = vocabSize;
    }

    /**
     * Loads a checkpoint's tokenizer, for one owner.
     *
     * @throws ModelLoadException if it is missing, damaged, or of another kind
     */
    public static PromptTokens load(Checkpoint checkpoint) {
        return new PromptTokens(
                PromptTokenizer.load(checkpoint.tokenizer()),
                checkpoint.textEncoder().vocabSize());
    }

    /**
     * Returns a prompt's tokens, those of the chat template among them; not to be changed.
     *
     * @throws IllegalArgumentException if the prompt has more characters than the tokenizer takes
     * @throws ModelLoadException if the text encoder does not know one of them
     */
    public int[] of(String prompt) {
        int[] ids = tokens(prompt);
        for (int id : ids) {
            if (id < 0 || id >= vocabSize) {
                throw new ModelLoadException(
                        "tokenizer/tokenizer.json: the tokenizer gave token %d, but the text encoder knows only %d: they do not belong together"
                                .formatted(id, vocabSize));
            }
        }
        return ids;
    }

    /** Returns how many tokens a prompt has, those of the chat template among them, whether or not the text encoder knows them. */
    public int count(String prompt) {
        return tokens(prompt).length;
    }

    private int[] tokens(String prompt) {
        synchronized (latest) {
            int[] known = latest.get(prompt);
            if (known != null) {
                return known;
            }
        }
        int[] ids = tokenizer.encodePrompt(prompt);
        synchronized (latest) {
            latest.put(prompt, ids);
        }
        return ids;
    }

    /** Forgets the prompts it has seen. */
    public void forget() {
        synchronized (latest) {
            latest.clear();
        }
    }

    /** Returns this for one more owner, who has to close it, too. */
    @CanIgnoreReturnValue
    public synchronized PromptTokens retain() {
        if (owners == 0) {
            throw new IllegalStateException("tokenizer is closed");
        }
        owners++;
        return this;
    }

    /** Frees the tokenizer if this was its last owner. */
    @Override
    public synchronized void close() {
        if (owners > 0 && --owners == 0) {
            tokenizer.close();
        }
    }
}
