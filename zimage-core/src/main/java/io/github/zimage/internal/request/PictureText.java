package io.github.zimage.internal.request;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.Lora;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.upscale.UpscalerModel;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The two texts that a PNG carries: one for people and other programs, one to read the parameters back from.
 *
 * <p>The first is the format of AUTOMATIC1111's web UI. A prompt that itself contains such lines makes it ambiguous, hence the
 * second: {@link RequestJson} and what drew the picture.
 */
public final class PictureText {
    /** The keyword of the text in the web UI's format. */
    public static final String TEXT_KEYWORD = "parameters";

    /** The keyword of the JSON. */
    public static final String JSON_KEYWORD = "zimage";

    /** The name and version of this program. */
    public static final String PROGRAM = "zimage " + version();

    private static final String MODEL = "model";
    private static final String PRECISION = "precision";
    private static final String VAE_PRECISION = "vaePrecision";

    private static final Pattern NEEDS_QUOTES = Pattern.compile("[,:\"\\\\\\p{Cntrl}]|^\\s|\\s$");

    private PictureText() {}

    /**
     * What the JSON of a picture holds.
     *
     * @param request sets the request's values; a prompt is missing if embeddings were given
     * @param model the checkpoint's name
     * @param precision the transformer's precision
     * @param vaePrecision the VAE's precision
     */
    public record Content(
            GenerationRequest.Builder request, String model, Precision precision, Precision vaePrecision) {}

    /**
     * Returns the text in the web UI's format.
     *
     * @param request that for the picture alone
     * @param forwards how often the transformer was evaluated for it
     * @param model the checkpoint's name
     * @param version the program's name and version
     */
    public static String toText(GenerationRequest request, int forwards, String model, String version) {
        StringBuilder text = new StringBuilder();
        String loras = loras(request);
        for (String prompt : request.prompts()) {
            if (!prompt.isEmpty() || !loras.isEmpty()) {
                text.append(withoutNul(prompt)).append(loras).append('\n');
            }
        }
        String negativePrompt = request.negativePrompt();
        boolean avoids = request.guidance() > 0 || request.nag().isOn();
        if (avoids && negativePrompt != null && !negativePrompt.isEmpty()) {
            text.append("Negative prompt: ").append(withoutNul(negativePrompt)).append('\n');
        }
        text.append("Steps: ").append(request.steps());
        text.append(", Sampler: ").append(WebUiNames.of(request.sampling().sampler()));
        if (request.sigmas().isEmpty()) {
            text.append(", Schedule type: ")
                    .append(WebUiNames.of(request.sampling().schedule()));
        }
        // The web UI counts from 1, where guidance is off.
        BigDecimal scale = BigDecimal.valueOf(request.guidance()).add(BigDecimal.ONE);
        text.append(", CFG scale: ").append(plain(scale));
        Long seed = request.seed();
        if (seed != null) {
            text.append(", Seed: ").append(Long.toUnsignedString(seed));
        }
        ImageToImage imageToImage = request.imageToImage();
        if (imageToImage != null) {
            text.append(", Denoising strength: ").append(imageToImage.strength());
        }
        UpscalerModel upscaler = request.upscaler();
        if (request.hires() > 1) {
            text.append(", Hires upscale: ").append(request.hires());
            text.append(", Hires upscaler: ")
                    .append(upscaler == null ? "Lanczos" : quoted(upscaler.name()))
                    .append(", Hires steps: ")
                    .append(request.refiningSteps());
        }
        text.append(", Size: ").append(request.width()).append('x').append(request.height());
        if (upscaler != null && request.hires() <= 1) {
            text.append(", ").append(upscaled(upscaler));
        }
        if (request.nag().isOn()) {
            text.append(", NAG scale: ").append(plain(request.nag().scale()));
            text.append(", NAG tau: ").append(plain(request.nag().tau()));
            text.append(", NAG alpha: ").append(plain(request.nag().alpha()));
        }
        StepCache cache = request.sampling().stepCache();
        if (cache != null && cache.kind() != StepCache.Kind.OFF) {
            text.append(", Step cache: ").append(cache).append(", Forwards: ").append(forwards);
        }
        text.append(", Model: ").append(quoted(model));
        text.append(", Version: ").append(quoted(version));
        return text.toString();
    }

    /** Returns what the text in the web UI's format says of an upscaler. */
    public static String upscaled(UpscalerModel upscaler) {
        String factor = upscaler.isPresent() ? "Postprocess upscale by: %d, ".formatted(upscaler.scale()) : "";
        return factor + "Postprocess upscaler: " + quoted(upscaler.name());
    }

    /**
     * Returns the JSON.
     *
     * @param request that for the picture alone
     * @param model the checkpoint's name
     * @param precision the transformer's
     * @param vaePrecision the VAE's
     */
    public static String toJson(GenerationRequest request, String model, Precision precision, Precision vaePrecision) {
        ObjectNode json = RequestJson.MAPPER.createObjectNode();
        RequestJson.write(request, json);
        json.put(MODEL, model);
        json.put(PRECISION, precision.name());
        json.put(VAE_PRECISION, vaePrecision.name());
        return RequestJson.text(json);
    }

    /**
     * Reads the JSON.
     *
     * @throws IllegalArgumentException if this is not what {@link #toJson} writes; the message says why in a few words
     */
    public static Content fromJson(String text) {
        JsonNode json = RequestJson.object(text);
        GenerationRequest.Builder request = GenerationRequest.builder();
        RequestJson.read(json, Set.of(MODEL, PRECISION, VAE_PRECISION), request);
        return new Content(request, text(json, MODEL), precision(json, PRECISION), precision(json, VAE_PRECISION));
    }

    private static String text(JsonNode json, String name) {
        JsonNode value = json.path(name);
        if (!value.isTextual()) {
            throw new InvalidRequestException(List.of(name), name + " must be a text");
        }
        return value.textValue();
    }

    private static Precision precision(JsonNode json, String name) {
        String value = text(json, name);
        for (Precision precision : Precision.values()) {
            if (precision.name().equals(value)) {
                return precision;
            }
        }
        throw new InvalidRequestException(List.of(name), name + " is none that is known");
    }

    private static String version() {
        Properties properties = new Properties();
        try (InputStream in = GenerationRequest.class.getResourceAsStream("version.properties")) {
            properties.load(Objects.requireNonNull(in, "version.properties"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version");
    }

    /** Returns what the web UI writes into a prompt for LoRAs. */
    private static String loras(GenerationRequest request) {
        List<Lora> loras = request.loras();
        return loras == null
                ? ""
                : loras.stream()
                        .map(each -> " <lora:%s:%s>".formatted(each.name(), each.weight()))
                        .collect(Collectors.joining());
    }

    private static String plain(double number) {
        return plain(BigDecimal.valueOf(number));
    }

    private static String plain(BigDecimal number) {
        return number.stripTrailingZeros().toPlainString();
    }

    private static String withoutNul(String text) {
        return text.replace('\0', ' ');
    }

    private static String quoted(String value) {
        if (!NEEDS_QUOTES.matcher(value).find()) {
            return value;
        }
        try {
            return RequestJson.MAPPER
                    .writer()
                    .without(JsonWriteFeature.ESCAPE_NON_ASCII)
                    .writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }
}
