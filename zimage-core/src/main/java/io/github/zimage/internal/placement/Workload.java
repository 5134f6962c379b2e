package io.github.zimage.internal.placement;

import io.github.zimage.GenerationRequest;
import io.github.zimage.Lora;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.config.RrdbNetConfig;
import io.github.zimage.internal.lora.AdapterSize;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.upscale.UpscalerModel;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a plan is made for.
 *
 * @param width of each picture, in pixels
 * @param height of each picture, in pixels
 * @param pictures how many a request draws
 * @param prompts how many prompts it has
 * @param guided whether a negative prompt goes through the transformer, too
 * @param steps how often the transformer is evaluated
 * @param promptTokens the longest prompt
 * @param picturesAtOnce how many pictures go through a block in a row
 * @param extras what some requests have and others have not
 */
public record Workload(
        int width,
        int height,
        int pictures,
        int prompts,
        boolean guided,
        int steps,
        int promptTokens,
        int picturesAtOnce,
        Extras extras) {
    /**
     * How many pictures go through a block in a row, unless memory runs out. Bounds the memory for streams between blocks; a block's
     * weights are still used several times.
     */
    public static final int PICTURES_AT_ONCE = 4;

    /** What the timesteps give is kept for the schedules used last, of so many steps in all, or for a single one of more. */
    public static final int KEPT_STEPS = 32;

    /** Of how many shapes, a size with a length of the prompt, the transformer's work is kept recorded. */
    public static final int RECORDED_SHAPES = 8;

    /**
     * What some requests have and others have not.
     *
     * @param fromPicture whether pictures start from another picture instead of from noise alone
     * @param adapterNumbers how many numbers are kept of its LoRAs
     * @param avoiding whether a negative prompt goes through the transformer with each picture
     * @param keepsStreams whether streams between blocks are kept from one evaluation to the next
     * @param upscaling how pictures are enlarged, or null if they are not
     * @param controls how many control pictures each picture follows
     */
    public record Extras(
            boolean fromPicture,
            long adapterNumbers,
            boolean avoiding,
            boolean keepsStreams,
            @Nullable Upscaling upscaling,
            int controls) {
        /** Nothing. */
        public static final Extras NONE = new Extras(false, 0, false, false, null, 0);
    }

    /**
     * How pictures are enlarged.
     *
     * @param network the upscaler's shape
     * @param width that of each picture before, in pixels
     * @param height likewise
     */
    public record Upscaling(RrdbNetConfig network, int width, int height) {
        static @Nullable Upscaling of(GenerationRequest request) {
            UpscalerModel model = request.upscaler();
            Path file = model == null ? null : model.file();
            return file == null
                    ? null
                    : new Upscaling(
                            UpscalerFile.read(file).config(), (int) Math.ceil(request.width() / request.hires()), (int)
                                    Math.ceil(request.height() / request.hires()));
        }
    }

    /** Returns the work of pictures that start from noise alone, without LoRAs. */
    public Workload(
            int width,
            int height,
            int pictures,
            int prompts,
            boolean guided,
            int steps,
            int promptTokens,
            int picturesAtOnce) {
        this(width, height, pictures, prompts, guided, steps, promptTokens, picturesAtOnce, Extras.NONE);
    }

    /** Returns the work of a request whose prompts have at most so many tokens; embeddings that come with it may have more. */
    public static Workload of(GenerationRequest request, int maxPromptTokens) {
        int promptTokens = request.promptEmbeddings().stream()
                .mapToInt(PromptEmbeddings::tokens)
                .reduce(maxPromptTokens, Math::max);
        return new Workload(
                request.width(),
                request.height(),
                request.totalCount(),
                Math.max(1, request.totalCount() / request.count()),
                request.guidance() > 0,
                request.evaluations(),
                promptTokens,
                PICTURES_AT_ONCE,
                new Extras(
                        request.imageToImage() != null || request.hires() > 1,
                        adapterNumbers(request),
                        request.nag().isOn(),
                        keepsStreams(request.sampling().stepCache()),
                        Upscaling.of(request),
                        request.controls().size()));
    }

    private static boolean keepsStreams(@Nullable StepCache cache) {
        return cache != null && cache.kind() == StepCache.Kind.FIRST_BLOCK;
    }

    private static long adapterNumbers(GenerationRequest request) {
        List<Lora> loras = request.loras();
        return loras == null
                ? 0
                : loras.stream()
                        .mapToLong(each -> AdapterSize.numbers(each.file()))
                        .sum();
    }

    /** Returns whether pictures start from another picture instead of from noise alone. */
    public boolean fromPicture() {
        return extras.fromPicture();
    }

    /** Returns how many numbers are kept of its LoRAs. */
    public long adapterNumbers() {
        return extras.adapterNumbers();
    }

    /** Returns whether a negative prompt goes through the transformer with each picture. */
    public boolean avoiding() {
        return extras.avoiding();
    }

    /** Returns whether streams between blocks are kept from one evaluation to the next. */
    public boolean keepsStreams() {
        return extras.keepsStreams();
    }

    /** Returns how pictures are enlarged, or null if they are not. */
    public @Nullable Upscaling upscaling() {
        return extras.upscaling();
    }

    /** Returns the same work for pictures that start from another picture. */
    public Workload startingFromPicture() {
        return with(new Extras(true, adapterNumbers(), avoiding(), keepsStreams(), upscaling(), controls()));
    }

    /** Returns the same work for pictures that are enlarged. */
    Workload upscaledBy(Upscaling upscaling) {
        return with(new Extras(fromPicture(), adapterNumbers(), avoiding(), keepsStreams(), upscaling, controls()));
    }

    /** Returns how many control pictures each picture follows. */
    public int controls() {
        return extras.controls();
    }

    /** Returns the same work for pictures that follow at least so many control pictures. */
    public Workload controlledBy(int least) {
        return with(new Extras(
                fromPicture(), adapterNumbers(), avoiding(), keepsStreams(), upscaling(), Math.max(controls(), least)));
    }

    private Workload with(Extras others) {
        return new Workload(width, height, pictures, prompts, guided, steps, promptTokens, picturesAtOnce, others);
    }

    /** Returns the same work for pictures of another size. */
    Workload withSize(int newWidth, int newHeight) {
        return new Workload(
                newWidth, newHeight, pictures, prompts, guided, steps, promptTokens, picturesAtOnce, extras);
    }

    /** Returns the same work for one picture. */
    Workload forOnePicture() {
        return new Workload(width, height, 1, 1, guided, steps, promptTokens, picturesAtOnce, extras);
    }

    /** Returns the same work with so many pictures going through a block in a row. */
    Workload withPicturesAtOnce(int count) {
        return new Workload(width, height, pictures, prompts, guided, steps, promptTokens, count, extras);
    }

    /** Returns the work for people, such as {@code 2 pictures of 1024 x 768}. */
    @Override
    public String toString() {
        return "%d %s of %d x %d%s"
                .formatted(
                        pictures,
                        pictures == 1 ? "picture" : "pictures",
                        width,
                        height,
                        guided ? " with guidance" : avoiding() ? " with guidance by attention" : "");
    }
}
