package io.github.zimage.internal.pipeline;

import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.text.Qwen3Model;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** Turns prompts into embeddings, and keeps the latest. */
final class PromptEncoder {
    private static final int CACHE_SIZE = 32;

    private final PromptTokens tokens;
    private final Qwen3Model model;
    private final Map<String, PromptEmbeddings> cache = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, PromptEmbeddings> eldest) {
            return size() > CACHE_SIZE;
        }
    };

    PromptEncoder(PromptTokens tokens, Qwen3Model model) {
        this.tokens = tokens;
        this.model = model;
    }

    /** Returns a prompt's embeddings. Runs native code. */
    PromptEmbeddings encode(String prompt, Runnable betweenLayers) {
        PromptEmbeddings known = cache.get(prompt);
        if (known != null) {
            return known;
        }
        try (PointerScope scope = new PointerScope()) {
            Tensor embeddings = model.forward(tokens.of(prompt), betweenLayers); // [T, hidden]
            PromptEmbeddings made = PromptEmbeddings.of(
                    Math.toIntExact(embeddings.size(0)),
                    Math.toIntExact(embeddings.size(1)),
                    Tensors.toFloats(embeddings));
            cache.put(prompt, made);
            return made;
        }
    }
}
