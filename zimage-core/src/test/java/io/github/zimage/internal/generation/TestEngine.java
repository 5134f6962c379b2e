package io.github.zimage.internal.generation;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.LoadedModel;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.TokenIds;
import io.github.zimage.internal.text.PromptLimit;
import io.github.zimage.internal.text.PromptTokens;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.List;

/** A model and its tokenizer, for tests that go around the pipeline's queue. Belongs to one thread. */
public final class TestEngine implements AutoCloseable {
    private final PromptLimit tokens;
    private final RequestCheck requests;
    private final LoadedModel model;

    /** Loads a model. */
    public TestEngine(Checkpoint checkpoint, EngineOptions options, GenerationListener listener) {
        tokens = new PromptLimit(PromptTokens.load(checkpoint), 512, false);
        requests = new RequestCheck(checkpoint, tokens);
        try {
            model = new LoadedModel(checkpoint, options, listener, Relief.NONE);
        } catch (RuntimeException | Error e) {
            tokens.tokens().close();
            throw e;
        }
    }

    /** Returns the model. */
    public LoadedModel model() {
        return model;
    }

    /** Returns the order of a request; the seed is for one that names none. */
    public Order order(GenerationRequest request, long seed) {
        return requests.order(
                request.seed() == null ? request.toBuilder().seed(seed).build() : request);
    }

    /** Draws. */
    public List<DrawnImage> generate(Order order) {
        return Generation.run(model, order, new GenerationListener() {}, () -> {}, Relief.NONE);
    }

    List<DrawnImage> generate(
            GenerationRequest request, long seed, GenerationListener listener, Runnable cancellation) {
        return generate(request, seed, listener, cancellation, Relief.NONE);
    }

    List<DrawnImage> generate(
            GenerationRequest request, long seed, GenerationListener listener, Runnable cancellation, Relief relief) {
        return Generation.run(model, order(request, seed), listener, cancellation, relief);
    }

    /** Encodes a prompt. */
    public PromptEmbeddings encode(String prompt, Runnable cancellation) {
        return Session.encode(model, new TokenIds(tokens.of(prompt)), cancellation, Relief.NONE);
    }

    void forget() {
        model.forget();
    }

    @Override
    public void close() {
        model.close();
        tokens.tokens().close();
    }
}
