package io.github.zimage.internal.engine;

import io.github.zimage.Precision;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.lora.AdapterUse;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.text.TextAdditions;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** Turns prompts into embeddings, and keeps the latest. */
final class PromptEncoder {
    private static final int CACHE_SIZE = 32;

    private final Map<Key, PromptEmbeddings> cache = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, PromptEmbeddings> eldest) {
            return size() > CACHE_SIZE;
        }
    };

    /** A prompt, and the adapters that do something to the text encoder. */
    private record Key(TokenIds prompt, List<AdapterUse> adapters) {}

    /**
     * Returns the embeddings of prompts, one for each. Runs native code.
     *
     * @param adapters those that do something to the text encoder
     * @param additions gives what they add to it
     * @param textEncoder gives the text encoder; not asked unless a prompt is new
     * @param precision what it computes in
     * @throws io.github.zimage.ZImageException if it gives values that are not finite; they are not kept
     */
    List<PromptEmbeddings> encode(
            Collection<TokenIds> prompts,
            List<AdapterUse> adapters,
            Function<Qwen3Model, TextAdditions> additions,
            Supplier<Lease<Qwen3Model>> textEncoder,
            Precision precision,
            Runnable betweenLayers) {
        Map<TokenIds, PromptEmbeddings> embeddings = new HashMap<>();
        List<TokenIds> unknown = new ArrayList<>();
        for (TokenIds prompt : new LinkedHashSet<>(prompts)) {
            PromptEmbeddings known = cache.get(new Key(prompt, adapters));
            if (known != null) {
                embeddings.put(prompt, known);
            } else {
                unknown.add(prompt);
            }
        }
        if (!unknown.isEmpty()) {
            try (PointerScope scope = new PointerScope();
                    Lease<Qwen3Model> lease = textEncoder.get()) {
                List<int[]> ids = unknown.stream().map(TokenIds::ids).toList();
                List<Tensor> hidden =
                        lease.model().forward(ids, additions.apply(lease.model()), betweenLayers); // [T, hidden] each
                for (int i = 0; i < unknown.size(); i++) {
                    embeddings.put(unknown.get(i), embeddings(hidden.get(i), precision));
                }
            }
        }
        embeddings.forEach((prompt, encoded) -> cache.put(new Key(prompt, adapters), encoded));
        return prompts.stream()
                .map(each -> Objects.requireNonNull(embeddings.get(each)))
                .toList();
    }

    /** Forgets the prompts it has seen. */
    void forget() {
        cache.clear();
    }

    private static PromptEmbeddings embeddings(Tensor hidden, Precision precision) {
        float[] values = Tensors.toFloats(hidden);
        int tokens = Math.toIntExact(hidden.size(0));
        if (NotFinite.first(values) >= 0) {
            throw NotFinite.of("text encoder", "for a prompt of %d tokens".formatted(tokens), precision);
        }
        return PromptEmbeddings.of(tokens, Math.toIntExact(hidden.size(1)), values);
    }
}
