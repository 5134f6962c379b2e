package io.github.zimage.internal.request;

import static io.github.zimage.internal.request.FieldRule.ANY;
import static io.github.zimage.internal.request.FieldRule.between;
import static io.github.zimage.internal.request.FieldType.NUMBER;
import static io.github.zimage.internal.request.FieldType.SEED;
import static io.github.zimage.internal.request.FieldType.SINGLE;
import static io.github.zimage.internal.request.FieldType.TEXT;
import static io.github.zimage.internal.request.FieldType.WHOLE;
import static io.github.zimage.internal.request.FieldType.choice;
import static io.github.zimage.internal.request.FieldType.listOf;

import io.github.zimage.GenerationRequest;
import io.github.zimage.GuidanceMethod;
import io.github.zimage.ImageSize;
import io.github.zimage.Nag;
import io.github.zimage.Sampling;
import io.github.zimage.Sampling.Sampler;
import io.github.zimage.Sampling.Schedule;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.upscale.UpscalerModel;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The fields of a request: the only place that names them, beside the request itself. A new one is a line of {@link #OWN}, and is then
 * checked, compared, read from pictures, files and HTTP, and written to them.
 *
 * <p>Embeddings and latents are no fields, since they are too large for JSON; pictures to start from are, by their digests.
 */
public final class RequestFields {
    private static final int SHOWN = 60;

    private static final FieldRule<Number> SIDE = between(1, ImageSize.MAX_SIDE, " pixels");
    private static final FieldRule<Integer> POWER_OF_TWO =
            new FieldRule<>("be 1, 2, 4 or 8", value -> value >= 1 && value <= 8 && Integer.bitCount(value) == 1);
    private static final FieldRule<Double> SHIFT =
            new FieldRule<>("be above 0 and at most 100", value -> value > 0 && value <= 100);
    private static final FieldRule<List<Float>> FALLING =
            new FieldRule<>("fall strictly from at most 1 to above 0", RequestFields::falls);

    private static final FieldType<UpscalerModel> UPSCALER = new FieldType<>(
            "an upscaler's name, and perhaps @sha256: and 64 hexadecimal digits behind it",
            node -> node.isTextual() && UpscalerModel.isName(node.textValue()),
            node -> UpscalerModel.named(node.textValue()),
            upscaler -> TEXT.write().apply(upscaler.toString()));

    private static final FieldType<StepCache> STEP_CACHE = FieldType.text(
            "off, mask=slow, mask=medium, mask=fast, mask= with a 1 or 0 for each step, or fb= with a threshold",
            StepCache::of,
            StepCache::toString);

    private static final List<RequestField<?>> OWN = List.of(
            new RequestField<>(
                    "prompt", TEXT, ANY, request -> single(request.prompts()), GenerationRequest.Builder::prompt),
            new RequestField<>(
                    "prompts",
                    listOf(TEXT),
                    ANY,
                    request -> several(request.prompts()),
                    GenerationRequest.Builder::prompts),
            new RequestField<>(
                    "negativePrompt",
                    TEXT,
                    ANY,
                    GenerationRequest::negativePrompt,
                    GenerationRequest.Builder::negativePrompt),
            new RequestField<>("width", WHOLE, SIDE, GenerationRequest::width, GenerationRequest.Builder::width),
            new RequestField<>("height", WHOLE, SIDE, GenerationRequest::height, GenerationRequest.Builder::height),
            new RequestField<>(
                    "steps",
                    WHOLE,
                    between(1, GenerationRequest.MAX_STEPS),
                    GenerationRequest::steps,
                    GenerationRequest.Builder::steps),
            new RequestField<>(
                    "sampler",
                    choice(Sampler::id, List.of(Sampler.values())),
                    ANY,
                    request -> unless(
                            Sampling.DEFAULT.sampler(), request.sampling().sampler()),
                    (builder, sampler) -> builder.sampling(each -> each.withSampler(sampler))),
            new RequestField<>(
                    "schedule",
                    choice(Schedule::id, List.of(Schedule.values())),
                    ANY,
                    request -> unless(
                            Sampling.DEFAULT.schedule(), request.sampling().schedule()),
                    (builder, schedule) -> builder.sampling(each -> each.withSchedule(schedule))),
            new RequestField<>(
                    "shift",
                    NUMBER,
                    SHIFT,
                    request -> request.sampling().shift(),
                    (builder, shift) -> builder.sampling(each -> each.withShift(shift))),
            new RequestField<>(
                    "stepCache",
                    STEP_CACHE,
                    ANY,
                    request -> request.sampling().stepCache(),
                    (builder, cache) -> builder.sampling(each -> each.withStepCache(cache))),
            new RequestField<>(
                    "guidance",
                    NUMBER,
                    between(0, 100),
                    GenerationRequest::guidance,
                    GenerationRequest.Builder::guidance),
            new RequestField<>(
                    "cfgNormalization",
                    NUMBER,
                    between(0, 100),
                    GenerationRequest::cfgNormalization,
                    GenerationRequest.Builder::cfgNormalization),
            new RequestField<>(
                    "cfgTruncation",
                    NUMBER,
                    between(0, 1),
                    GenerationRequest::cfgTruncation,
                    GenerationRequest.Builder::cfgTruncation),
            new RequestField<>(
                    "guidanceMethod",
                    choice(GuidanceMethod.Kind::id, List.of(GuidanceMethod.Kind.values())),
                    ANY,
                    request -> unless(
                            GuidanceMethod.DEFAULT.kind(),
                            request.guidanceMethod().kind()),
                    (builder, kind) -> builder.guidanceMethod(each -> each.withKind(kind))),
            new RequestField<>(
                    "guidanceRescale",
                    NUMBER,
                    between(0, 1),
                    request -> unless(
                            GuidanceMethod.DEFAULT.rescale(),
                            request.guidanceMethod().rescale()),
                    (builder, rescale) -> builder.guidanceMethod(each -> each.withRescale(rescale))),
            new RequestField<>(
                    "cfgZeroSteps",
                    WHOLE,
                    between(0, GenerationRequest.MAX_STEPS),
                    request -> unless(
                            GuidanceMethod.DEFAULT.zeroSteps(),
                            request.guidanceMethod().zeroSteps()),
                    (builder, steps) -> builder.guidanceMethod(each -> each.withZeroSteps(steps))),
            new RequestField<>(
                    "apgMomentum",
                    NUMBER,
                    between(-1, 1),
                    request -> unless(
                            GuidanceMethod.DEFAULT.momentum(),
                            request.guidanceMethod().momentum()),
                    (builder, momentum) -> builder.guidanceMethod(each -> each.withMomentum(momentum))),
            new RequestField<>(
                    "apgThreshold",
                    NUMBER,
                    between(0, 1000),
                    request -> unless(
                            GuidanceMethod.DEFAULT.threshold(),
                            request.guidanceMethod().threshold()),
                    (builder, threshold) -> builder.guidanceMethod(each -> each.withThreshold(threshold))),
            new RequestField<>(
                    "apgEta",
                    NUMBER,
                    between(0, 1),
                    request -> unless(
                            GuidanceMethod.DEFAULT.eta(),
                            request.guidanceMethod().eta()),
                    (builder, eta) -> builder.guidanceMethod(each -> each.withEta(eta))),
            new RequestField<>(
                    "nagScale",
                    NUMBER,
                    between(1, 20),
                    request -> unless(Nag.OFF.scale(), request.nag().scale()),
                    (builder, scale) -> builder.nag(each -> each.withScale(scale))),
            new RequestField<>(
                    "nagTau",
                    NUMBER,
                    between(0, 100),
                    request -> unless(Nag.OFF.tau(), request.nag().tau()),
                    (builder, tau) -> builder.nag(each -> each.withTau(tau))),
            new RequestField<>(
                    "nagAlpha",
                    NUMBER,
                    between(0, 1),
                    request -> unless(Nag.OFF.alpha(), request.nag().alpha()),
                    (builder, alpha) -> builder.nag(each -> each.withAlpha(alpha))),
            new RequestField<>(
                    "count", WHOLE, between(1, 1000), RequestFields::count, GenerationRequest.Builder::count),
            new RequestField<>("seed", SEED, ANY, RequestFields::seed, GenerationRequest.Builder::seed),
            new RequestField<>("seeds", listOf(SEED), ANY, RequestFields::seeds, GenerationRequest.Builder::seeds),
            new RequestField<>(
                    "sigmas",
                    listOf(SINGLE),
                    FALLING,
                    request -> filled(request.sigmas()),
                    GenerationRequest.Builder::sigmas),
            new RequestField<>(
                    "hires",
                    NUMBER,
                    between(1, GenerationRequest.MAX_HIRES),
                    request -> request.hires() == 1 ? null : request.hires(),
                    GenerationRequest.Builder::hires),
            new RequestField<>(
                    "upscaler", UPSCALER, ANY, GenerationRequest::upscaler, GenerationRequest.Builder::upscaler),
            new RequestField<>(
                    "noiseReduction",
                    WHOLE,
                    POWER_OF_TWO,
                    request -> request.noiseReduction() == 1 ? null : request.noiseReduction(),
                    GenerationRequest.Builder::noiseReduction),
            new RequestField<>(
                    "loras", listOf(LoraJson.TYPE), ANY, GenerationRequest::loras, GenerationRequest.Builder::loras),
            new RequestField<>(
                    "controls",
                    listOf(ControlJson.TYPE),
                    ControlJson.RULE,
                    request -> filled(request.controls()),
                    GenerationRequest.Builder::controls));

    static final List<RequestField<?>> ALL =
            Stream.concat(OWN.stream(), ImageToImageFields.ALL.stream()).toList();

    /** Pairs of fields of which only one can be given. */
    static final List<List<String>> EXCLUSIVE =
            List.of(List.of("prompt", "prompts"), List.of("seed", "seeds"), List.of("count", "seeds"));

    private RequestFields() {}

    /**
     * Checks each value alone.
     *
     * @param problem hears the name of each that is wrong, and what is wrong with it
     */
    public static void check(GenerationRequest request, BiConsumer<String, String> problem) {
        ALL.forEach(field -> field.check(request, problem));
    }

    /** Returns all values, embeddings and latents among them, for comparing. */
    public static List<@Nullable Object> values(GenerationRequest request) {
        List<@Nullable Object> values = new ArrayList<>();
        ALL.forEach(field -> values.add(field.get().apply(request)));
        values.add(request.promptEmbeddings());
        values.add(request.negativeEmbeddings());
        values.add(request.latents());
        return values;
    }

    /** Returns a request for people, in one line, with texts cut. */
    public static String describe(GenerationRequest request) {
        StringBuilder text = new StringBuilder("GenerationRequest[");
        for (RequestField<?> field : ALL) {
            Object value = field.get().apply(request);
            if (value != null) {
                text.append(field.name()).append('=').append(shown(value)).append(", ");
            }
        }
        if (!request.promptEmbeddings().isEmpty()) {
            text.append("promptEmbeddings of ")
                    .append(request.promptEmbeddings().size())
                    .append(", ");
        }
        if (request.negativeEmbeddings() != null) {
            text.append("negativeEmbeddings, ");
        }
        if (!request.latents().isEmpty()) {
            text.append("latents of ").append(request.latents().size()).append(", ");
        }
        text.setLength(text.length() - 2);
        return text.append(']').toString();
    }

    private static String shown(Object value) {
        String text = ShownText.cut(value.toString(), SHOWN);
        return value instanceof String ? '"' + text + '"' : text;
    }

    private static @Nullable String single(List<String> prompts) {
        return prompts.size() == 1 ? prompts.get(0) : null;
    }

    private static @Nullable List<String> several(List<String> prompts) {
        return prompts.size() > 1 ? prompts : null;
    }

    private static <T> @Nullable T unless(T usual, T value) {
        return value.equals(usual) ? null : value;
    }

    private static <T> @Nullable List<T> filled(List<T> list) {
        return list.isEmpty() ? null : list;
    }

    private static @Nullable Integer count(GenerationRequest request) {
        return request.count() == 1 || !request.seeds().isEmpty() ? null : request.count();
    }

    private static @Nullable BigInteger seed(GenerationRequest request) {
        Long seed = request.seed();
        return seed == null || !request.seeds().isEmpty() ? null : Seeds.unsigned(seed);
    }

    private static @Nullable List<BigInteger> seeds(GenerationRequest request) {
        return filled(request.seeds().stream().map(Seeds::unsigned).toList());
    }

    private static boolean falls(List<Float> sigmas) {
        float previous = Float.POSITIVE_INFINITY;
        for (float sigma : sigmas) {
            if (!(sigma > 0 && sigma <= 1 && sigma < previous)) {
                return false;
            }
            previous = sigma;
        }
        return true;
    }
}
