package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.engine.AdapterSets;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.TokenIds;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What an order's pictures shall show.
 *
 * @param positive one a picture
 * @param negative that of all, if something acts by it
 */
record Embeddings(List<PromptEmbeddings> positive, @Nullable PromptEmbeddings negative) {
    /** Encodes what an order has as text, in the phase for that. */
    static Embeddings of(Order order, Session session) {
        GenerationRequest request = order.request();
        List<TokenIds> prompts = new ArrayList<>(order.prompts());
        if (order.negativePrompt() != null) {
            prompts.add(order.negativePrompt());
        }
        List<PromptEmbeddings> encoded = encoded(order, session, prompts);
        int positives = order.prompts().size();
        List<PromptEmbeddings> given = new ArrayList<>(request.promptEmbeddings());
        given.addAll(encoded.subList(0, positives));
        List<PromptEmbeddings> positive = new ArrayList<>();
        for (PromptEmbeddings each : given) {
            positive.addAll(Collections.nCopies(request.count(), each));
        }
        return new Embeddings(
                positive,
                positives < encoded.size()
                        ? encoded.get(positives)
                        : Guidance.avoids(request) ? request.negativeEmbeddings() : null);
    }

    private static List<PromptEmbeddings> encoded(Order order, Session session, List<TokenIds> prompts) {
        AdapterSets adapters = order.adapters();
        if (order.negativePrompt() == null
                || order.request().nag().isOn() // both go through the transformer together
                || adapters.negative().equals(adapters.positive())) {
            return session.encode(prompts, adapters.positive());
        }
        int last = prompts.size() - 1;
        List<PromptEmbeddings> encoded = new ArrayList<>(session.encode(prompts.subList(0, last), adapters.positive()));
        encoded.addAll(session.encode(prompts.subList(last, prompts.size()), adapters.negative()));
        return encoded;
    }

    /** Returns each positive one once. */
    List<PromptEmbeddings> positives() {
        return List.copyOf(new LinkedHashSet<>(positive));
    }

    /** Returns each once. */
    List<PromptEmbeddings> distinct() {
        Set<PromptEmbeddings> distinct = new LinkedHashSet<>(positive);
        if (negative != null) {
            distinct.add(negative);
        }
        return List.copyOf(distinct);
    }
}
