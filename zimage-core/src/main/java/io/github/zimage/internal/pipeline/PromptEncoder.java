package io.github.zimage.internal.pipeline;

import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.text.Qwen3Model;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** Turns prompts into embeddings, and keeps the latest. */
final class PromptEncoder {
    private static final int CACHE_SIZE = 32;

    private final PromptTokens tokens;
    private final Map<String, PromptEmbeddings> cache = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, PromptEmbeddings> eldest) {
            return size() > CACHE_SIZE;
        }
    };

    PromptEncoder(PromptTokens tokens) {
        this.tokens = tokens;
    }

    /**
     * Returns prompts' embeddings. Runs native code.
     *
     * @param model gives the text encoder; not asked unless a prompt is new
     */
    Map<String, PromptEmbeddings> encode(
            Collection<String> prompts, Supplier<Qwen3Model> model, Runnable betweenLayers) {
        Map<String, PromptEmbeddings> embeddings = new HashMap<>();
        List<String> unknown = new ArrayList<>();
        for (String prompt : new LinkedHashSet<>(prompts)) {
            PromptEmbeddings known = cache.get(prompt);
            if (known != null) {
                embeddings.put(prompt, known);
            } else {
                unknown.add(prompt);
            }
        }
        if (!unknown.isEmpty()) {
            List<int[]> ids = unknown.stream().map(tokens::of).toList();
            try (PointerScope scope = new PointerScope()) {
                List<Tensor> hidden = model.get().forward(ids, betweenLayers); // [T, hidden] each
                for (int i = 0; i < unknown.size(); i++) {
                    embeddings.put(unknown.get(i), embeddings(hidden.get(i)));
                }
            }
        }
        cache.putAll(embeddings);
        return embeddings;
    }

    /** Forgets the prompts it has seen. */
    void forget() {
        cache.clear();
    }

    private static PromptEmbeddings embeddings(Tensor hidden) {
        return PromptEmbeddings.of(
                Math.toIntExact(hidden.size(0)), Math.toIntExact(hidden.size(1)), Tensors.toFloats(hidden));
    }
}
