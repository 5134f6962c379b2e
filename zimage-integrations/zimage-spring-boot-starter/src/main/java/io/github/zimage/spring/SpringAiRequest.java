package io.github.zimage.spring;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.ImageToImage;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.SourceImage;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.content.Media;
import org.springframework.ai.image.ImageMessage;
import org.springframework.ai.image.ImageOptions;
import org.springframework.ai.image.ImagePrompt;

/** Makes a request of a prompt of Spring AI: messages of negative weight are the negative prompt, an image that they bring is the start. */
final class SpringAiRequest {
    private SpringAiRequest() {}

    static GenerationRequest of(ZImageTemplate template, ImagePrompt prompt) {
        List<ImageMessage> messages = prompt.getInstructions();
        GenerationRequest.Builder request = template.request(text(messages, false));
        String negative = text(messages, true);
        if (!negative.isEmpty()) {
            request.negativePrompt(negative);
        }
        ImageOptions options = prompt.getOptions();
        if (options != null) {
            apply(options, request);
        }
        List<Media> images =
                messages.stream().flatMap(each -> each.getMedia().stream()).toList();
        if (!images.isEmpty()) {
            request.imageToImage(start(images, options));
        }
        return request.build();
    }

    private static String text(List<ImageMessage> messages, boolean negative) {
        return messages.stream()
                .filter(each -> (each.getWeight() != null && each.getWeight() < 0) == negative)
                .map(ImageMessage::getText)
                .collect(Collectors.joining(", "));
    }

    private static void apply(ImageOptions options, GenerationRequest.Builder request) {
        if ("url".equals(options.getResponseFormat())) {
            throw new InvalidRequestException(
                    List.of("responseFormat"), "responseFormat must be b64_json, but was url: images have no address");
        }
        set(options.getN(), request::count);
        set(options.getWidth(), request::width);
        set(options.getHeight(), request::height);
        if (options instanceof ZImageOptions own) {
            set(own.size(), size -> request.size(ImageSize.of(size)));
            set(own.steps(), request::steps);
            set(own.seed(), request::seed);
            set(own.guidance(), request::guidance);
            set(own.negativePrompt(), request::negativePrompt);
        }
    }

    private static ImageToImage start(List<Media> images, @Nullable ImageOptions options) {
        if (images.size() > 1) {
            throw new InvalidRequestException(
                    List.of("media"), "a prompt may bring one image to start from, but brought " + images.size());
        }
        ImageToImage start = ImageToImage.of(SourceImage.of(bytes(images.get(0))));
        Double strength = options instanceof ZImageOptions own ? own.strength() : null;
        return strength == null ? start : start.strength(strength);
    }

    private static byte[] bytes(Media image) {
        if (!(image.getData() instanceof byte[] bytes)) {
            throw new InvalidRequestException(
                    List.of("media"), "the image must bring its bytes; addresses of other machines are not fetched");
        }
        return bytes;
    }

    private static <T> void set(@Nullable T value, Consumer<T> setter) {
        if (value != null) {
            setter.accept(value);
        }
    }
}
