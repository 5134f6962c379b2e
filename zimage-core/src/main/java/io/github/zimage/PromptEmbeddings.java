package io.github.zimage;

/**
 * What the text encoder made of a prompt: one FP32 vector a token, shape [tokens, features]. Lives on the Java heap.
 * Immutable; can be kept and used for any number of generations with the same text encoder.
 */
public final class PromptEmbeddings {
    private final int tokens;
    private final int features;
    private final float[] values;

    private PromptEmbeddings(int tokens, int features, float[] values) {
        this.tokens = tokens;
        this.features = features;
        this.values = values;
    }

    /**
     * Creates embeddings from numbers, which are copied.
     *
     * @param tokens number of tokens
     * @param features length of a token's vector, 2560 for Z-Image
     * @param values {@code tokens * features} numbers, token by token
     * @throws IllegalArgumentException if a dimension is not positive or the number of values is not their product
     */
    public static PromptEmbeddings of(int tokens, int features, float[] values) {
        if (tokens <= 0 || features <= 0) {
            throw new IllegalArgumentException(
                    "embeddings must have positive dimensions, but were [%d, %d]".formatted(tokens, features));
        }
        if (values.length != (long) tokens * features) {
            throw new IllegalArgumentException("embeddings of shape [%d, %d] need %d values, but there were %d"
                    .formatted(tokens, features, (long) tokens * features, values.length));
        }
        return new PromptEmbeddings(tokens, features, values.clone());
    }

    /** Returns the number of tokens, those of the chat template among them. */
    public int tokens() {
        return tokens;
    }

    /** Returns the length of a token's vector. */
    public int features() {
        return features;
    }

    /** Returns a copy of the numbers, token by token. */
    public float[] values() {
        return values.clone();
    }
}
