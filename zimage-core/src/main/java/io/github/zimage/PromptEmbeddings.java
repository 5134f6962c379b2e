package io.github.zimage;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.safetensors.FloatTensorFile;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;

/**
 * What the text encoder made of a prompt: one FP32 vector a token, shape [tokens, features]. Lives on the Java heap.
 * Immutable; can be kept and used for any number of generations with the same text encoder.
 */
public final class PromptEmbeddings {
    private static final String TENSOR = "prompt_embeds";

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
        if (Given.value(values, "values").length != (long) tokens * features) {
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

    /**
     * Writes them as the FP32 tensor {@code prompt_embeds} of shape [tokens, features] into a safetensors file, replacing the one that was
     * there. The file appears whole or not at all.
     *
     * @throws UncheckedIOException if the file cannot be written
     */
    public void save(Path file) {
        try {
            FloatTensorFile.write(
                    Given.value(file, "file"), TENSOR, List.of((long) tokens, (long) features), List.of(values));
        } catch (IOException e) {
            throw new UncheckedIOException("embeddings cannot be written to " + file + ": " + e.getMessage(), e);
        }
    }

    /**
     * Reads what {@link #save} wrote. Which text encoder it is from, nobody notes: with another one it draws something else.
     *
     * @throws ZImageException if the file cannot be read or holds anything else
     */
    public static PromptEmbeddings load(Path file) {
        TensorEntry tensor = FloatTensorFile.only(Given.value(file, "file"), TENSOR, 2);
        return new PromptEmbeddings(
                Math.toIntExact(tensor.shape().get(0)),
                Math.toIntExact(tensor.shape().get(1)),
                FloatTensorFile.read(file, tensor, 1).get(0));
    }

    /** Returns the shape, such as {@code PromptEmbeddings[12, 2560]}. */
    @Override
    public String toString() {
        return "PromptEmbeddings[%d, %d]".formatted(tokens, features);
    }
}
