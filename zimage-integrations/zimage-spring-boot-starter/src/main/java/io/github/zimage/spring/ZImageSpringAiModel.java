package io.github.zimage.spring;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.micrometer.observation.ObservationRegistry;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.springframework.ai.image.Image;
import org.springframework.ai.image.ImageGeneration;
import org.springframework.ai.image.ImageGenerationMetadata;
import org.springframework.ai.image.ImageModel;
import org.springframework.ai.image.ImagePrompt;
import org.springframework.ai.image.ImageResponse;
import org.springframework.ai.image.observation.DefaultImageModelObservationConvention;
import org.springframework.ai.image.observation.ImageModelObservationContext;
import org.springframework.ai.image.observation.ImageModelObservationDocumentation;

/**
 * Spring AI's image model on the application's pipeline. Images are PNGs in base64; {@link ZImageOptions} has what Spring AI has no option
 * for. A message of negative weight is the negative prompt, an image in a message is what the image starts from. Observed as {@code
 * gen_ai.client.operation} of the provider {@code zimage}. Safe for use by several threads.
 */
public final class ZImageSpringAiModel implements ImageModel {
    private static final DefaultImageModelObservationConvention CONVENTION =
            new DefaultImageModelObservationConvention();

    private final ZImageTemplate template;
    private final ObservationRegistry observations;

    ZImageSpringAiModel(ZImageTemplate template, ObservationRegistry observations) {
        this.template = template;
        this.observations = observations;
    }

    /** What is known of an image beside its bytes. */
    public record Metadata(String seed, int width, int height, Map<String, Long> millis)
            implements ImageGenerationMetadata {}

    @Override
    public ImageResponse call(ImagePrompt prompt) {
        ImageModelObservationContext context = ImageModelObservationContext.builder()
                .imagePrompt(prompt)
                .provider("zimage")
                .build();
        return ImageModelObservationDocumentation.IMAGE_MODEL_OPERATION
                .observation(null, CONVENTION, () -> context, observations)
                .observe(() -> {
                    ImageResponse response = draw(SpringAiRequest.of(template, prompt));
                    context.setResponse(response);
                    return response;
                });
    }

    private ImageResponse draw(GenerationRequest request) {
        List<ImageGeneration> images = template.generateAll(request).stream()
                .map(ZImageSpringAiModel::generation)
                .toList();
        return new ImageResponse(images);
    }

    private static ImageGeneration generation(GeneratedImage image) {
        Long seed = image.seed();
        GeneratedImage.Timings timings = image.timings();
        Map<String, Long> millis = new TreeMap<>(Map.of(
                "encode", timings.encode().toMillis(),
                "denoise", timings.denoise().toMillis(),
                "decode", timings.decode().toMillis()));
        return new ImageGeneration(
                new Image(null, Base64.getEncoder().encodeToString(image.toPng())),
                new Metadata(seed == null ? "" : Long.toUnsignedString(seed), image.width(), image.height(), millis));
    }
}
