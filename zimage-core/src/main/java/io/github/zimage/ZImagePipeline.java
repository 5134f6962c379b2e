package io.github.zimage;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Draws pictures from prompts. */
public final class ZImagePipeline implements AutoCloseable {
    private ZImagePipeline() {}

    public static Builder builder() {
        return new Builder();
    }

    /** Draws one 1024 by 1024 picture in 8 steps. */
    public GeneratedImage generate(String prompt) {
        return generate(GenerationRequest.builder().prompt(prompt).build());
    }

    /** The request must be for one picture. */
    public GeneratedImage generate(GenerationRequest request) {
        return generateAll(request).get(0);
    }

    public List<GeneratedImage> generateAll(GenerationRequest request) {
        return generateAll(request, new GenerationListener() {});
    }

    public List<GeneratedImage> generateAll(GenerationRequest request, GenerationListener listener) {
        throw new UnsupportedOperationException();
    }

    /** Cancelling the future ends the generation within one step. */
    public CompletableFuture<List<GeneratedImage>> generateAsync(GenerationRequest request) {
        throw new UnsupportedOperationException();
    }

    public CompletableFuture<List<GeneratedImage>> generateAsync(
            GenerationRequest request, GenerationListener listener) {
        throw new UnsupportedOperationException();
    }

    public PromptEmbeddings encode(String prompt) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}

    public static final class Builder {
        private Builder() {}

        /** The checkpoint's folder in the diffusers layout. Required. */
        @CanIgnoreReturnValue
        public Builder model(Path folder) {
            return this;
        }

        /** Precision of all components. */
        @CanIgnoreReturnValue
        public Builder precision(Precision precision) {
            return this;
        }

        @CanIgnoreReturnValue
        public Builder precision(Component component, Precision precision) {
            return this;
        }

        @CanIgnoreReturnValue
        public Builder attention(AttentionBackend backend) {
            return this;
        }

        @CanIgnoreReturnValue
        public Builder maxPromptTokens(int tokens) {
            return this;
        }

        @CanIgnoreReturnValue
        public Builder promptOverflow(PromptOverflow overflow) {
            return this;
        }

        /** Weight files of this variant are preferred, such as {@code bf16} for {@code model.bf16.safetensors}. */
        @CanIgnoreReturnValue
        public Builder variant(String variant) {
            return this;
        }

        /** Hears how loading gets on. */
        @CanIgnoreReturnValue
        public Builder listener(GenerationListener listener) {
            return this;
        }

        public ZImagePipeline build() {
            throw new UnsupportedOperationException();
        }
    }
}
