package io.github.zimage.internal.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.github.zimage.ModelLoadException;
import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.runtime.NativeErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/** The checkpoint's own tokenizer behind the chat template of Z-Image. Thread-safe. */
public final class PromptTokenizer implements AutoCloseable {
    private final HuggingFaceTokenizer tokenizer;

    /** Held for writing by {@link #close}, which must not free what another thread uses. */
    private final ReadWriteLock lock = new ReentrantReadWriteLock();

    private boolean closed;

    private PromptTokenizer(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * Reads a {@code tokenizer.json}.
     *
     * @throws ModelLoadException if it is missing or damaged
     * @throws NativeLibraryException if the tokenizer's native library cannot be loaded
     */
    public static PromptTokenizer load(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new ModelLoadException("%s: the tokenizer is missing".formatted(file));
        }
        TokenizerLibrary.load();
        try {
            return new PromptTokenizer(HuggingFaceTokenizer.builder()
                    .optTokenizerPath(file)
                    .optTruncation(false)
                    .optPadding(false)
                    .optAddSpecialTokens(false)
                    .build());
        } catch (IOException | RuntimeException e) {
            throw new ModelLoadException(
                    "%s: not a tokenizer that can be read (%s)".formatted(file, NativeErrors.firstLine(e)), e);
        }
    }

    /** Returns the token ids of a text as it stands. Special tokens that are written out in it count as such. */
    public int[] encode(String text) {
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
        return result;
    }

    /** Returns the token ids of a prompt in the chat template: one turn of the user, and the head of the assistant's. */
    public int[] encodePrompt(String prompt) {
        return encode("<|im_start|>user\n" + prompt + "<|im_end|>\n<|im_start|>assistant\n");
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
