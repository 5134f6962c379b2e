package io.github.zimage.langchain4j;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import dev.langchain4j.data.image.Image;
import dev.langchain4j.model.image.ImageModel;
import dev.langchain4j.model.output.Response;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.ImageToImage;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImagePipeline;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * LangChain4j's image model on a pipeline in the same process. Size, steps and all else that LangChain4j has no parameter for are
 * those of the {@linkplain Builder#request request} that it was built with.
 *
 * <p>Images are PNGs in base64. The metadata of a response has {@code seed} (an unsigned decimal), {@code width}, {@code height},
 * {@code steps} and {@code millis}; of several images {@code seeds} in place of {@code seed}.
 *
 * <p>Safe for use by several threads; requests wait for each other as those of the pipeline do. The pipeline is the caller's, who
 * closes it.
 */
public final class ZImageImageModel implements ImageModel {
    private final Supplier<ZImagePipeline> pipeline;
    private final @Nullable GenerationRequest defaults;
    private final double editStrength;

    private ZImageImageModel(Builder builder) {
        if (builder.pipeline == null) {
            throw new IllegalStateException("no pipeline was set; call pipeline(...) before build()");
        }
        pipeline = builder.pipeline;
        defaults = builder.request;
        editStrength = builder.editStrength;
    }

    /** Returns a model that takes everything but the prompt from the defaults of {@link GenerationRequest}. */
    public static ZImageImageModel of(ZImagePipeline pipeline) {
        return builder().pipeline(pipeline).build();
    }

    /** Returns a new builder. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Generates an image.
     *
     * @throws InvalidRequestException if the prompt is blank or too long for the model
     */
    @Override
    public Response<Image> generate(String prompt) {
        return one(drawn(request(prompt).build()));
    }

    /**
     * Generates several images of one prompt.
     *
     * @param n how many, at least 1; each has a seed of its own
     */
    @Override
    public Response<List<Image>> generate(String prompt, int n) {
        List<GeneratedImage> images = drawn(request(prompt).count(n).build());
        List<String> seeds = images.stream().map(ZImageImageModel::seed).toList();
        Map<String, Object> metadata = metadata(images.get(0));
        metadata.remove("seed");
        metadata.put("seeds", seeds);
        return Response.from(images.stream().map(ZImageImageModel::encoded).toList(), null, null, metadata);
    }

    /** Draws an image anew by a prompt (img2img), as far from it as the strength that the model was built with. */
    @Override
    public Response<Image> edit(Image image, String prompt) {
        return one(drawn(edit(prompt, ImageToImage.of(source(image, "image")))));
    }

    /** Draws what a mask marks anew (inpainting). White is repainted; the rest stays as it is, to the byte. */
    @Override
    public Response<Image> edit(Image image, Image mask, String prompt) {
        return one(drawn(edit(prompt, ImageToImage.of(source(image, "image")).mask(source(mask, "mask")))));
    }

    private GenerationRequest edit(String prompt, ImageToImage start) {
        return request(prompt).imageToImage(start.strength(editStrength)).build();
    }

    private GenerationRequest.Builder request(String prompt) {
        return (defaults == null ? GenerationRequest.builder() : defaults.toBuilder()).prompt(prompt);
    }

    private List<GeneratedImage> drawn(GenerationRequest request) {
        return pipeline.get().generateAll(request);
    }

    private static Response<Image> one(List<GeneratedImage> images) {
        GeneratedImage image = images.get(0);
        return Response.from(encoded(image), null, null, metadata(image));
    }

    private static Image encoded(GeneratedImage image) {
        return Image.builder()
                .base64Data(Base64.getEncoder().encodeToString(image.toPng()))
                .mimeType("image/png")
                .build();
    }

    private static String seed(GeneratedImage image) {
        Long seed = image.seed();
        return seed == null ? "" : Long.toUnsignedString(seed);
    }

    private static Map<String, Object> metadata(GeneratedImage image) {
        Map<String, Object> metadata = new HashMap<>();
        metadata.put("seed", seed(image));
        metadata.put("width", image.width());
        metadata.put("height", image.height());
        ImageParameters parameters = image.parameters();
        if (parameters != null) {
            metadata.put("steps", parameters.request().steps());
        }
        GeneratedImage.Timings timings = image.timings();
        Duration all = timings.encode().plus(timings.denoise()).plus(timings.decode());
        metadata.put("millis", all.toMillis());
        return metadata;
    }

    /** Reads base64 data or a file; addresses of other machines are not fetched. */
    private static SourceImage source(@Nullable Image image, String name) {
        if (image == null) {
            throw new InvalidRequestException(List.of(name), name + " must not be null");
        }
        try {
            return SourceImage.of(bytes(image, name));
        } catch (IllegalArgumentException e) {
            throw e instanceof InvalidRequestException
                    ? e
                    : new InvalidRequestException(List.of(name), name + ": " + e.getMessage());
        }
    }

    private static byte[] bytes(Image image, String name) {
        String data = image.base64Data();
        if (data != null) {
            return decoded(data, name);
        }
        URI url = image.url();
        if (url == null || !"file".equals(url.getScheme())) {
            throw new InvalidRequestException(
                    List.of(name),
                    name + " must have base64Data or the URL of a file (file:///...); other addresses are not fetched");
        }
        try {
            return Files.readAllBytes(Path.of(url));
        } catch (IOException | IllegalArgumentException e) {
            throw new InvalidRequestException(List.of(name), name + " cannot be read: " + e.getMessage());
        }
    }

    private static byte[] decoded(String data, String name) {
        try {
            return Base64.getMimeDecoder().decode(data);
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(List.of(name), name + " is not valid base64: " + e.getMessage());
        }
    }

    /** Builds a {@link ZImageImageModel}. Not safe for use by several threads. */
    public static final class Builder {
        private @Nullable Supplier<ZImagePipeline> pipeline;
        private @Nullable GenerationRequest request;
        private double editStrength = ImageToImage.DEFAULT_STRENGTH;

        private Builder() {}

        /** Sets the pipeline that generates. The model does not close it. */
        @CanIgnoreReturnValue
        public Builder pipeline(ZImagePipeline pipeline) {
            Objects.requireNonNull(pipeline, "pipeline must not be null");
            this.pipeline = () -> pipeline;
            return this;
        }

        /** Sets where the pipeline comes from; asked for each request. For pipelines that are loaded later. */
        @CanIgnoreReturnValue
        public Builder pipeline(Supplier<ZImagePipeline> pipeline) {
            this.pipeline = Objects.requireNonNull(pipeline, "pipeline must not be null");
            return this;
        }

        /** Sets what all requests have in common: size, steps, guidance, LoRA and so on. Its prompt is replaced. */
        @CanIgnoreReturnValue
        public Builder request(GenerationRequest request) {
            this.request = Objects.requireNonNull(request, "request must not be null");
            return this;
        }

        /** Sets how far {@code edit} goes from its image, above 0 and at most 1; {@link ImageToImage#DEFAULT_STRENGTH} unless set. */
        @CanIgnoreReturnValue
        public Builder editStrength(double strength) {
            if (!(strength > 0 && strength <= 1)) {
                throw new IllegalArgumentException("editStrength must be above 0 and at most 1, but was " + strength);
            }
            this.editStrength = strength;
            return this;
        }

        /**
         * Returns the model.
         *
         * @throws IllegalStateException if no pipeline was set
         */
        public ZImageImageModel build() {
            return new ZImageImageModel(this);
        }
    }
}
