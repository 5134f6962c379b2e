package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.PromptEmbeddings;
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
 * @param negative that of all, if guidance needs it
 */
record Embeddings(List<PromptEmbeddings> positive, @Nullable PromptEmbeddings negative) {
    /** Encodes what an order has as text, in the phase for that. */
    static Embeddings of(Order order, Session session) {
        GenerationRequest request = order.request();
        List<TokenIds> prompts = new ArrayList<>(order.prompts());
        if (order.negativePrompt() != null) {
            prompts.add(order.negativePrompt());
        }
        List<PromptEmbeddings> encoded = session.encode(prompts);
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
                        : Guidance.of(request).isOn() ? request.negativeEmbeddings() : null);
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
