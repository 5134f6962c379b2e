package io.github.zimage;

import io.github.zimage.internal.request.RequestFields;
import io.github.zimage.internal.request.StepCacheRule;
import java.util.ArrayList;
import java.util.List;

/** What the values of a request must be, one beside another. What each must be alone stands in {@link RequestFields}. */
final class RequestRules {
    private static final int PREVIEW_REDUCTION = 2;
    private static final int PREVIEW_MULTIPLE = 32;

    private final GenerationRequest request;
    private final List<String> fields = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();

    private RequestRules(GenerationRequest request) {
        this.request = request;
    }

    /**
     * Checks a request.
     *
     * @throws InvalidRequestException naming all that is wrong
     */
    static void check(GenerationRequest request) {
        RequestRules rules = new RequestRules(request);
        if (request.prompts().isEmpty() == request.promptEmbeddings().isEmpty()) {
            rules.problem(
                    "prompt",
                    "either a prompt or prompt embeddings must be given, but there were "
                            + (request.prompts().isEmpty() ? "none" : "both"));
        }
        rules.check();
    }

    /** Checks a request whose prompt may be missing. */
    static void checkRead(GenerationRequest request) {
        new RequestRules(request).check();
    }

    private void check() {
        checkNegative();
        checkLorasOfNag();
        RequestFields.check(request, this::problem);
        checkSigmas();
        checkSchedule();
        checkStepCache();
        checkNoise();
        checkLatents();
        checkImageToImage();
        checkHires();
        if (!problems.isEmpty()) {
            throw new InvalidRequestException(fields, String.join("; ", problems));
        }
    }

    private void problem(String field, String message) {
        fields.add(field);
        problems.add(message);
    }

    private void checkNegative() {
        if (request.negativePrompt() != null && request.negativeEmbeddings() != null) {
            problem(
                    "negativePrompt",
                    "only one of negative prompt and negative embeddings can be given, but there were both");
        }
        if (request.guidance() > 0 && request.nag().isOn()) {
            problem(
                    "nagScale",
                    "only one of guidance and nagScale can act on the negative prompt, but guidance was %s and nagScale %s"
                            .formatted(request.guidance(), request.nag().scale()));
        }
        if ((request.guidance() > 0 || request.nag().isOn())
                && !request.promptEmbeddings().isEmpty()
                && request.prompts().isEmpty()
                && request.negativePrompt() == null
                && request.negativeEmbeddings() == null) {
            problem("negativePrompt", "guidance with prompt embeddings needs a negative prompt or negative embeddings");
        }
    }

    /** Both captions go through the blocks together, with what is added for what pictures shall show. */
    private void checkLorasOfNag() {
        List<Lora> loras = request.loras();
        if (request.nag().isOn()
                && loras != null
                && loras.stream().anyMatch(each -> each.prompts() == Lora.Prompts.NEGATIVE)) {
            problem(
                    "loras",
                    "with nagScale, LoRAs of the prompt act on the negative prompt too, so that none can be for negative prompts alone");
        }
    }

    private void checkSigmas() {
        if (!request.sigmas().isEmpty() && request.sigmas().size() != request.steps()) {
            problem(
                    "sigmas",
                    "sigmas must be one a step (%d), but there were %d"
                            .formatted(request.steps(), request.sigmas().size()));
        }
    }

    private void checkSchedule() {
        Sampling sampling = request.sampling();
        Sampling.Schedule schedule = sampling.schedule();
        if (!request.sigmas().isEmpty() && schedule != Sampling.Schedule.SIMPLE) {
            problem("schedule", "only one of sigmas and schedule can be given, but there were both");
        }
        if (sampling.shift() != null && schedule == Sampling.Schedule.DYNAMIC) {
            problem("shift", "the schedule dynamic chooses the shift itself, but shift was " + sampling.shift());
        }
    }

    private void checkStepCache() {
        Sampling.StepCache cache = request.sampling().stepCache();
        String refusal = cache == null ? null : StepCacheRule.refusal(cache, request.sampling(), request.steps());
        if (refusal != null && !fields.contains("steps")) {
            problem("stepCache", "stepCache %s %s".formatted(cache, refusal));
        }
    }

    private void checkNoise() {
        int reduction = request.noiseReduction();
        int longest = Math.max(request.width(), request.height());
        if (fields.contains("noiseReduction")) {
            return;
        }
        if (reduction > 1 && (long) longest * reduction > ImageSize.MAX_SIDE) {
            problem(
                    "noiseReduction",
                    "noise can be drawn for at most %d pixels, but was asked for %d times %d"
                            .formatted(ImageSize.MAX_SIDE, reduction, longest));
        } else if (reduction > 1 && !request.latents().isEmpty()) {
            problem("noiseReduction", "latents that are given are not reduced, but noiseReduction was " + reduction);
        }
    }

    private void checkLatents() {
        if (!request.latents().isEmpty() && request.latents().size() != request.totalCount()) {
            problem(
                    "latents",
                    "latents must be given for each of the %d pictures, but there were %d"
                            .formatted(request.totalCount(), request.latents().size()));
        }
    }

    private void checkHires() {
        if (request.hires() > 1
                && (request.imageToImage() != null || !request.latents().isEmpty())) {
            problem("hires", "hires draws small pictures from noise first: leave out the image and the latents");
        }
    }

    private void checkImageToImage() {
        ImageToImage imageToImage = request.imageToImage();
        if (imageToImage == null) {
            return;
        }
        if (imageToImage.image() == null) {
            problem("image", "image-to-image must have an image to start from, but had none");
        }
        if (imageToImage.mask() == null && imageToImage.extension().isNone() && imageToImage.maskPadding() != null) {
            problem("maskPadding", "maskPadding needs a mask to draw around, but there was none");
        }
        if (!request.latents().isEmpty()) {
            problem("image", "only one of latents and an image can be what pictures start from, but there were both");
        }
    }

    /** Returns the request for a preview. */
    static GenerationRequest preview(GenerationRequest request) {
        int width = request.width();
        int height = request.height();
        if (width % PREVIEW_MULTIPLE != 0 || height % PREVIEW_MULTIPLE != 0) {
            throw new IllegalArgumentException(
                    "for a preview, width and height must be multiples of %d, but were %d x %d (nearest: %d x %d)"
                            .formatted(PREVIEW_MULTIPLE, width, height, nearest(width), nearest(height)));
        }
        return request.toBuilder()
                .size(width / PREVIEW_REDUCTION, height / PREVIEW_REDUCTION)
                .noiseReduction(request.noiseReduction() * PREVIEW_REDUCTION)
                .build();
    }

    private static int nearest(int side) {
        return Math.max(1, Math.round((float) side / PREVIEW_MULTIPLE)) * PREVIEW_MULTIPLE;
    }
}
