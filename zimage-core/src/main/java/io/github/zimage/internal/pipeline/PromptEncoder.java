package io.github.zimage.internal.pipeline;

import io.github.zimage.PromptEmbeddings;
import io.github.zimage.PromptOverflow;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.text.PromptTokenizer;
import io.github.zimage.internal.text.Qwen3Model;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Turns prompts into embeddings, and keeps the latest. */
final class PromptEncoder {
    private static final Logger LOG = LoggerFactory.getLogger(PromptEncoder.class);
    private static final int CACHE_SIZE = 32;

    private final PromptTokenizer tokenizer;
    private final Qwen3Model model;
    private final int vocabSize;
    private final EngineOptions options;
    private final Map<String, PromptEmbeddings> cache = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, PromptEmbeddings> eldest) {
            return size() > CACHE_SIZE;
        }
    };

    PromptEncoder(PromptTokenizer tokenizer, Qwen3Model model, int vocabSize, EngineOptions options) {
        this.tokenizer = tokenizer;
        this.model = model;
        this.vocabSize = vocabSize;
        this.options = options;
    }

    /**
     * Returns a prompt's tokens. Does not run on the device, so that a prompt that is too long is refused at once.
     *
     * @throws IllegalArgumentException if there are too many, unless they are to be cut off
     */
    int[] tokens(String prompt) {
        int[] ids = tokenizer.encodePrompt(prompt);
        for (int id : ids) {
            if (id < 0 || id >= vocabSize) {
                throw new ZImageException(
                        "the tokenizer gave token %d, but the text encoder knows only %d: they do not belong together"
                                .formatted(id, vocabSize));
            }
        }
        int limit = options.maxPromptTokens();
        if (ids.length <= limit) {
            return ids;
        }
        if (options.promptOverflow() == PromptOverflow.ERROR) {
            throw new IllegalArgumentException(
                    "prompt must have at most %d tokens, but has %d (with those of the chat template): shorten it, raise the limit, or ask for it to be cut off"
                            .formatted(limit, ids.length));
        }
        LOG.warn("prompt has {} tokens; those after {} are cut off", ids.length, limit);
        return Arrays.copyOf(ids, limit);
    }

    /** Returns a prompt's embeddings. Runs native code. */
    PromptEmbeddings encode(String prompt, Runnable betweenLayers) {
        PromptEmbeddings known = cache.get(prompt);
        if (known != null) {
            return known;
        }
        try (PointerScope scope = new PointerScope()) {
            Tensor embeddings = model.forward(tokens(prompt), betweenLayers); // [T, hidden]
            PromptEmbeddings made = PromptEmbeddings.of(
                    Math.toIntExact(embeddings.size(0)),
                    Math.toIntExact(embeddings.size(1)),
                    Tensors.toFloats(embeddings));
            cache.put(prompt, made);
            return made;
        }
    }
}
