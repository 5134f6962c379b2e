package io.github.zimage.internal.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.github.zimage.ModelLoadException;
import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.events.OpenEvent;
import io.github.zimage.internal.events.TokenizeEvent;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.runtime.NativeErrors;
import io.github.zimage.prompt.PromptLinter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/** The checkpoint's own tokenizer behind the chat template of Z-Image. Thread-safe. */
public final class PromptTokenizer implements AutoCloseable {
    private static final Map<String, String> OPTIONS =
            Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false");

    private static final String TEMPLATE = "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n";

    private final HuggingFaceTokenizer tokenizer;

    /** Held for writing by {@link #close}, which must not free what another thread uses. */
    private final ReadWriteLock lock = new ReentrantReadWriteLock();

    private boolean closed;

    private PromptTokenizer(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * Reads a {@code tokenizer.json} of Qwen's kind.
     *
     * @throws ModelLoadException if it is missing, damaged, or of another kind
     * @throws NativeLibraryException if the tokenizer's native library cannot be loaded
     */
    public static PromptTokenizer load(Path file) {
        OpenEvent event = new OpenEvent();
        event.begin();
        event.part = "tokenizer";
        TokenizerFile tokenizer = TokenizerFile.read(file);
        TokenizerLibrary.load();
        try {
            PromptTokenizer loaded = new PromptTokenizer(HuggingFaceTokenizer.newInstance(tokenizer.json(), OPTIONS));
            event.commit();
            return loaded;
        } catch (IOException | RuntimeException e) {
            throw new ModelLoadException(
                    "%s: not a tokenizer that can be read (%s)"
                            .formatted(ModelFile.name(file), NativeErrors.firstLine(e)),
                    e);
        }
    }

    /**
     * Returns the token ids of a text as it stands. Special tokens that are written out in it count as such.
     *
     * @throws IllegalArgumentException if the text is too long for native code, which a text of some million blanks ends
     */
    public int[] encode(String text) {
        if (text.length() > PromptLinter.MAX_CHARACTERS + TEMPLATE.length()) {
            throw tooLong(text);
        }
        TokenizeEvent event = new TokenizeEvent();
        event.begin();
        long[] ids;
        lock.readLock().lock();
        try {
            if (closed) {
                throw new IllegalStateException("tokenizer is closed");
            }
            ids = tokenizer.encode(text, false, false).getIds();
        } finally {
            lock.readLock().unlock();
        }
        int[] result = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            result[i] = Math.toIntExact(ids[i]);
        }
        event.tokens = result.length;
        event.commit();
        return result;
    }

    /**
     * Returns the token ids of a prompt in the chat template: one turn of the user, and the head of the assistant's.
     *
     * @throws IllegalArgumentException if the prompt has more than {@value PromptLinter#MAX_CHARACTERS} characters, whatever
     *     becomes of prompts with too many tokens
     */
    public int[] encodePrompt(String prompt) {
        if (prompt.length() > PromptLinter.MAX_CHARACTERS) {
            throw tooLong(prompt);
        }
        return encode(TEMPLATE.formatted(prompt));
    }

    private static IllegalArgumentException tooLong(String text) {
        return new IllegalArgumentException("prompt must have at most %d characters, but has %d: shorten it"
                .formatted(PromptLinter.MAX_CHARACTERS, text.length()));
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            closed = true;
            tokenizer.close();
        } finally {
            lock.writeLock().unlock();
        }
    }
}
