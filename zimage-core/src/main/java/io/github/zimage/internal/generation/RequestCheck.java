package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.Latents;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.Sampling;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.SourceImage;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.engine.AdapterSets;
import io.github.zimage.internal.engine.Attachment;
import io.github.zimage.internal.engine.ControlAttachment;
import io.github.zimage.internal.engine.TokenIds;
import io.github.zimage.internal.lora.LoraCatalog;
import io.github.zimage.internal.lora.ModelShapes;
import io.github.zimage.internal.request.StepCacheRule;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.text.PromptLimit;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.upscale.UpscalerModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Checks what only the model can tell about a request. Needs no weights, so that a request can be refused before they are loaded.
 *
 * @param checkpoint the model
 * @param prompts what its prompts may be
 * @param loras the LoRAs that requests can name
 * @param stepCache that of requests which name none and can have it
 */
public record RequestCheck(Checkpoint checkpoint, PromptLimit prompts, LoraCatalog loras, StepCache stepCache) {
    private static final String PROMPT = "prompt";
    private static final String NEGATIVE_PROMPT = "negativePrompt";

    /** Checks requests that can name LoRAs by their files only. */
    public RequestCheck(Checkpoint checkpoint, PromptLimit prompts) {
        this(
                checkpoint,
                prompts,
                new LoraCatalog(
                        ModelShapes.of(checkpoint.transformer(), checkpoint.textEncoder()), null, List.of(), null),
                StepCache.OFF);
    }

    /**
     * Checks a request.
     *
     * @throws InvalidRequestException naming all that is wrong with its sizes and shapes, or the length of a prompt
     */
    public void check(GenerationRequest request) {
        checkShapes(request);
        request.prompts().forEach(prompt -> prompts.check(PROMPT, prompt));
        String negativePrompt = negativePrompt(request);
        if (negativePrompt != null) {
            prompts.check(NEGATIVE_PROMPT, negativePrompt);
        }
        loras.resolve(request);
    }

    private void checkShapes(GenerationRequest request) {
        List<String> problems = new ArrayList<>();
        List<String> fields = new ArrayList<>();
        if (request.totalCount() == 0) {
            problems.add("a prompt or prompt embeddings must be given, but there were none");
        }
        int multiple = checkpoint.vae().scale() * TransformerConfig.PATCH_SIZE;
        checkMultiple(problems, fields, "width", request.width(), multiple);
        checkMultiple(problems, fields, "height", request.height(), multiple);
        for (Latents latents : request.latents()) {
            checkShape(problems, request, latents);
        }
        checkFeatures(problems, request);
        ImageToImage imageToImage = request.imageToImage();
        if (imageToImage != null) {
            checkImageToImage(problems, fields, imageToImage);
        }
        checkUpscaler(problems, fields, request);
        ControlCheck.check(checkpoint, request, problem -> {
            fields.add("controls");
            problems.add(problem);
        });
        if (!problems.isEmpty()) {
            throw new InvalidRequestException(fields, String.join("; ", problems));
        }
    }

    private static void checkUpscaler(List<String> problems, List<String> fields, GenerationRequest request) {
        UpscalerModel model = request.upscaler();
        if (model == null) {
            return;
        }
        UpscalerFile file = upscaler(request);
        String problem = null;
        if (file == null) {
            problem = "upscaler '%s' is known by its name only: set it to its file".formatted(model.name());
        } else if (!file.sha256().equals(model.sha256())) {
            problem = "the file of upscaler '%s' has changed since it was read: read it anew".formatted(model.name());
        } else if (request.hires() <= 1) {
            problem = file.config().problem(request.width(), request.height());
        }
        if (problem != null) {
            fields.add("upscaler");
            problems.add(problem);
        }
    }

    private static @Nullable UpscalerFile upscaler(GenerationRequest request) {
        UpscalerModel model = request.upscaler();
        Path file = model == null ? null : model.file();
        return file == null ? null : UpscalerFile.read(file);
    }

    private void checkImageToImage(List<String> problems, List<String> fields, ImageToImage imageToImage) {
        String reason = checkpoint.withoutEncoder();
        if (reason != null) {
            fields.add("image");
            problems.add("nothing can start from a picture, since the checkpoint has no encoder that fits: " + reason);
        }
        checkPresent(problems, fields, "image", imageToImage.image());
        checkPresent(problems, fields, "mask", imageToImage.mask());
        SourceImage mask = imageToImage.mask();
        if (mask != null && mask.isPresent() && imageToImage.maskPadding() != null && isBlack(mask)) {
            fields.add("mask");
            problems.add("a mask must have white for only its surroundings to be drawn, but this is black everywhere");
        }
    }

    private static void checkPresent(
            List<String> problems, List<String> fields, String name, @Nullable SourceImage image) {
        if (image != null && !image.isPresent()) {
            fields.add(name);
            problems.add("the %s is known by its digest %s only: set the picture itself".formatted(name, image));
        }
    }

    private static boolean isBlack(SourceImage mask) {
        for (byte sample : mask.rgb()) {
            if (sample != 0) {
                return false;
            }
        }
        return true;
    }

    /**
     * Checks a request and returns what it comes to: with a seed, which is chosen here if it names none, and with the tokens of each of its
     * prompts.
     *
     * @throws InvalidRequestException as {@link #check} does
     */
    public Order order(GenerationRequest request) {
        checkShapes(request);
        Map<String, TokenIds> known = new HashMap<>();
        List<TokenIds> positive = new ArrayList<>();
        for (String prompt : request.prompts()) {
            positive.add(known.computeIfAbsent(prompt, this::tokens));
        }
        String negative = negativePrompt(request);
        LoraCatalog.Resolved adapters = loras.resolve(request);
        GenerationRequest cached = cached(request);
        GenerationRequest resolved = adapters.described().isEmpty()
                ? cached
                : cached.toBuilder().loras(adapters.described()).build();
        Order order = Order.of(
                        resolved.withSeed(),
                        positive,
                        negative == null
                                ? null
                                : known.computeIfAbsent(
                                        negative, each -> new TokenIds(prompts.of(NEGATIVE_PROMPT, each))))
                .adaptedBy(new AdapterSets(adapters.positive(), adapters.negative()));
        UpscalerFile upscaler = upscaler(request);
        if (request.hires() > 1) {
            return enlarged(order, upscaler);
        }
        return controlled(upscaler == null ? order : order.upscaledBy(upscaler));
    }

    /** Returns an order whose pictures follow those that its request names. */
    private Order controlled(Order order) {
        GenerationRequest request = order.request();
        ControlNetConfig config = checkpoint.controlNet();
        if (config == null || request.controls().isEmpty()) {
            return order;
        }
        List<Attachment> attachments = new ArrayList<>(order.attachments());
        // First, so that what others keep of the streams has the hints in it.
        attachments.add(
                0,
                ControlAttachment.of(
                        request.controls(), request.imageToImage(), config, request.width(), request.height()));
        return order.with(attachments);
    }

    private GenerationRequest cached(GenerationRequest request) {
        Sampling sampling = request.sampling();
        boolean applies = stepCache.kind() != StepCache.Kind.OFF
                && sampling.stepCache() == null
                && StepCacheRule.refusal(stepCache, sampling, request.steps()) == null;
        return applies
                ? request.toBuilder()
                        .sampling(sampling.withStepCache(stepCache))
                        .build()
                : request;
    }

    /** Returns an order for the same pictures that draws them small first. */
    private Order enlarged(Order order, @Nullable UpscalerFile upscaler) {
        GenerationRequest large = order.request();
        GenerationRequest small = large.toBuilder()
                .size(small(large.width(), large.hires()), small(large.height(), large.hires()))
                .hires(1)
                .withoutUpscaler()
                .build();
        InitialHires start =
                new InitialHires(controlled(order.drawing(small)), large.width(), large.height(), upscaler);
        return controlled(order).startingFrom(start);
    }

    /** Returns a side divided by a factor, rounded to what the model takes. */
    private int small(int side, double factor) {
        int multiple = checkpoint.vae().scale() * TransformerConfig.PATCH_SIZE;
        return Math.max(1, (int) Math.round(side / factor / multiple)) * multiple;
    }

    /**
     * Returns a prompt's tokens.
     *
     * @throws io.github.zimage.PromptTooLongException if there are too many
     */
    public TokenIds tokens(String prompt) {
        return new TokenIds(prompts.of(PROMPT, prompt));
    }

    /** Returns the negative prompt if something acts by it; that is empty unless the request has another. */
    private static @Nullable String negativePrompt(GenerationRequest request) {
        return Guidance.avoids(request) && request.negativeEmbeddings() == null
                ? Objects.requireNonNullElse(request.negativePrompt(), "")
                : null;
    }

    private static void checkMultiple(
            List<String> problems, List<String> fields, String name, int value, int multiple) {
        if (value % multiple != 0) {
            fields.add(name);
            int lower = value / multiple * multiple;
            String nearest = lower == 0 ? "%d".formatted(multiple) : "%d or %d".formatted(lower, lower + multiple);
            problems.add(
                    "%s must be a multiple of %d, but was %d (nearest: %s)".formatted(name, multiple, value, nearest));
        }
    }

    private void checkShape(List<String> problems, GenerationRequest request, Latents latents) {
        int scale = checkpoint.vae().scale();
        int channels = checkpoint.transformer().inChannels();
        int height = request.height() / scale;
        int width = request.width() / scale;
        if (latents.channels() != channels || latents.height() != height || latents.width() != width) {
            problems.add("latents must have shape [%d, %d, %d], but had [%d, %d, %d]"
                    .formatted(channels, height, width, latents.channels(), latents.height(), latents.width()));
        }
        checkFinite(problems, "latents", latents.values());
    }

    private static void checkFinite(List<String> problems, String what, float[] values) {
        int first = NotFinite.first(values);
        if (first >= 0) {
            problems.add("%s must be finite, but number %d of %d was %s"
                    .formatted(what, first + 1, values.length, values[first]));
        }
    }

    private void checkFeatures(List<String> problems, GenerationRequest request) {
        List<PromptEmbeddings> embeddings = new ArrayList<>(request.promptEmbeddings());
        PromptEmbeddings negative = request.negativeEmbeddings();
        if (negative != null) {
            embeddings.add(negative);
        }
        int features = checkpoint.textEncoder().hiddenSize();
        for (PromptEmbeddings each : embeddings) {
            if (each.features() != features) {
                problems.add("embeddings must have %d features, but had %d".formatted(features, each.features()));
            }
            checkFinite(problems, "embeddings", each.values());
        }
    }
}
