package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.singlefile.ModelFiles;
import io.github.zimage.internal.singlefile.SingleFile;
import io.github.zimage.internal.text.PromptTokens;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.FileState;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint that is open: its configurations, where its weights lie, and from its first use on its tokenizer, which pipelines share.
 * Thread-safe.
 */
public final class OpenModel implements AutoCloseable {
    private final Checkpoint checkpoint;
    private final List<FileState> files;
    private @Nullable PromptTokens tokens;
    private boolean closed;

    private OpenModel(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
        this.files = Component.values().stream()
                .map(component -> FileState.ofOpened(checkpoint.files(component)))
                .toList();
    }

    /**
     * Opens a checkpoint and checks it.
     *
     * @throws ModelLoadException if anything is missing, damaged or not supported
     */
    public static OpenModel open(ModelFiles files) {
        return new OpenModel(SingleFile.open(files));
    }

    /** Returns what was opened. */
    public Checkpoint checkpoint() {
        return checkpoint;
    }

    /**
     * Returns what divides prompts. It stays this model's: who needs it for longer has to retain it.
     *
     * @throws ModelLoadException if the tokenizer cannot be loaded
     * @throws IllegalStateException if the model is closed
     */
    public synchronized PromptTokens tokens() {
        requireOpen();
        PromptTokens loaded = tokens;
        if (loaded == null) {
            loaded = PromptTokens.load(checkpoint);
            tokens = loaded;
        }
        return loaded;
    }

    /**
     * Refuses to go on if the model is closed.
     *
     * @throws IllegalStateException if it is
     */
    public synchronized void requireOpen() {
        if (closed) {
            throw new IllegalStateException("model is closed");
        }
    }

    /**
     * Makes sure that the headers that were read are those of the files that are there.
     *
     * @throws ModelLoadException if a file is missing or has changed
     */
    void requireUnchanged() {
        files.forEach(FileState::requireUnchanged);
    }

    /** Frees the tokenizer, as soon as no pipeline needs it. Further calls do nothing. */
    @Override
    public synchronized void close() {
        closed = true;
        if (tokens != null) {
            tokens.close();
            tokens = null;
        }
    }
}
