package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.engine.AdapterSets;
import io.github.zimage.internal.engine.Attachment;
import io.github.zimage.internal.engine.FirstBlockCache;
import io.github.zimage.internal.engine.TokenIds;
import io.github.zimage.internal.schedule.Sampler;
import io.github.zimage.internal.schedule.Samplers;
import io.github.zimage.internal.weights.UpscalerFile;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A request, resolved once, before it waits for a device: nothing in it is left to chance, and nothing has to be looked up on the device's
 * thread. {@link RequestCheck#order} makes it.
 *
 * @param request what was asked for
 * @param seeds one for each picture
 * @param prompts the tokens of each of the request's prompts
 * @param negativePrompt those of the negative one, if guidance needs it and it is not given as embeddings
 * @param start where the pictures start
 * @param sampler how they get from one noise level to the next
 * @param attachments what joins in between the transformer's blocks, in order
 * @param adapters what is added to the weights
 * @param upscaler what enlarges the finished pictures, or null if nothing does
 */
public record Order(
        GenerationRequest request,
        List<Long> seeds,
        List<TokenIds> prompts,
        @Nullable TokenIds negativePrompt,
        InitialLatents start,
        Sampler sampler,
        List<Attachment> attachments,
        AdapterSets adapters,
        @Nullable UpscalerFile upscaler) {

    /** Copies the lists, and checks that they have an entry for each picture or prompt. */
    public Order {
        seeds = List.copyOf(seeds);
        prompts = List.copyOf(prompts);
        attachments = List.copyOf(attachments);
        checkCount("seeds", seeds.size(), request.totalCount());
        checkCount("prompts", prompts.size(), request.prompts().size());
    }

    private static void checkCount(String what, int count, int expected) {
        if (count != expected) {
            throw new IllegalArgumentException("an order must have %d %s, but had %d".formatted(expected, what, count));
        }
    }

    /**
     * Returns the order of a request that starts and takes steps as it says, with its step cache if that needs something attached.
     *
     * @param request names a seed
     */
    static Order of(GenerationRequest request, List<TokenIds> prompts, @Nullable TokenIds negativePrompt) {
        List<Long> seeds = IntStream.range(0, request.totalCount())
                .mapToObj(request::seedOf)
                .toList();
        return new Order(
                request,
                seeds,
                prompts,
                negativePrompt,
                start(request),
                Samplers.of(request.sampling().sampler()),
                attachments(request),
                AdapterSets.NONE,
                null);
    }

    /** Returns where a request's pictures start: from the picture or the latents that it has, or else from noise. */
    private static InitialLatents start(GenerationRequest request) {
        ImageToImage imageToImage = request.imageToImage();
        if (imageToImage != null) {
            return InitialPicture.of(request, imageToImage);
        }
        return request.latents().isEmpty() ? new InitialNoise() : new GivenLatents(request.latents());
    }

    private static List<Attachment> attachments(GenerationRequest request) {
        StepCache cache = request.sampling().stepCache();
        return cache != null && cache.kind() == StepCache.Kind.FIRST_BLOCK
                ? List.of(new FirstBlockCache(cache.threshold()))
                : List.of();
    }

    /**
     * Returns a part of this, for another device.
     *
     * @param part the request for some of the pictures, with the same settings
     * @param firstPicture the index in this order of the part's first picture
     */
    public Order part(GenerationRequest part, int firstPicture) {
        int firstPrompt = firstPicture / request.count();
        return new Order(
                part,
                seeds.subList(firstPicture, firstPicture + part.totalCount()),
                prompts.isEmpty()
                        ? List.of()
                        : prompts.subList(
                                firstPrompt, firstPrompt + part.prompts().size()),
                negativePrompt,
                LaterPictures.of(start, firstPicture),
                sampler,
                attachments,
                adapters,
                upscaler);
    }

    /** Returns the same for another request of as many pictures and the same prompts, such as for smaller ones. */
    Order drawing(GenerationRequest other) {
        return with(other, start, sampler, attachments, adapters, upscaler);
    }

    /** Returns the same with another start. */
    public Order startingFrom(InitialLatents other) {
        return with(request, other, sampler, attachments, adapters, upscaler);
    }

    /** Returns the same with another sampler. */
    public Order sampledBy(Sampler other) {
        return with(request, start, other, attachments, adapters, upscaler);
    }

    /** Returns the same with other adapters. */
    public Order adaptedBy(AdapterSets others) {
        return with(request, start, sampler, attachments, others, upscaler);
    }

    /** Returns the same with other attachments. */
    public Order with(List<Attachment> others) {
        return with(request, start, sampler, others, adapters, upscaler);
    }

    /** Returns the same for pictures that are enlarged. */
    Order upscaledBy(UpscalerFile other) {
        return with(request, start, sampler, attachments, adapters, other);
    }

    private Order with(
            GenerationRequest otherRequest,
            InitialLatents otherStart,
            Sampler otherSampler,
            List<Attachment> otherAttachments,
            AdapterSets otherAdapters,
            @Nullable UpscalerFile otherUpscaler) {
        return new Order(
                otherRequest,
                seeds,
                prompts,
                negativePrompt,
                otherStart,
                otherSampler,
                otherAttachments,
                otherAdapters,
                otherUpscaler);
    }
}
