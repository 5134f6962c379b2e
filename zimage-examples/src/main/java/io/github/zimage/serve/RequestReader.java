package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.upscale.UpscalerModel;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Makes requests from JSON, within the server's limits. A request may have all values that {@link GenerationRequest#fromJson} reads,
 * beside a size in one text; what an interface itself has asked for before is none of them.
 */
final class RequestReader {
    static final int MAX_PROMPT = 8000;

    /** How wide a picture is, beside the usual. */
    static final Map<String, Double> QUALITIES = Map.of("draft", 0.75, "publish", 1.0, "print", 1.25);

    /** The strength of a picture that is varied without a prompt: things stay where they are, and change in their details. */
    static final double VARIATION = 0.5;

    private static final int MOST_UPSCALING = 4;
    private static final Pattern SIZE = Pattern.compile("([0-9]{1,5})x([0-9]{1,5})");
    private static final int MULTIPLE = ServerOptions.MULTIPLE;

    private final ServerOptions options;

    RequestReader(ServerOptions options) {
        this.options = options;
    }

    /** Returns the side of a square picture of a quality, or of the largest that there may be. */
    int side(String quality) {
        double side = options.size() * Objects.requireNonNull(QUALITIES.get(quality));
        int rounded = (int) Math.max(1, Math.round(side / MULTIPLE)) * MULTIPLE;
        return Math.min(rounded, floored(Math.sqrt((double) options.maxPixels())));
    }

    /**
     * Reads what is left, once the interface has asked for its own fields. The seed is chosen now if it was left open, so that the pictures
     * stay the same if they are begun again.
     *
     * @param imageToImage the pictures to start from, or null for noise alone
     * @param controls the pictures to follow
     * @param quality the size to draw where the request says none and there is no picture
     * @throws ApiException if a field is unknown, wrong, or beyond a limit
     */
    GenerationRequest read(
            JsonFields fields,
            @Nullable ImageToImage imageToImage,
            ControlPictures controls,
            String quality,
            ParameterNames names) {
        Long count = fields.integer(names.count(), 1L, options.maxCount());
        String size = fields.text("size", 100);
        ObjectNode values = fields.others();
        requireOnce(values, count != null, size != null, names);
        fields.integer("steps", 1L, options.maxSteps()); // before the values are read, whose own ranges are wider
        fields.integer("count", 1L, options.maxCount());
        fields.know(names.all());
        fields.rejectOthers();
        GenerationRequest.Builder builder = GenerationRequest.builder();
        if (imageToImage == null) {
            builder.size(side(quality), side(quality));
        } else {
            builder.imageToImage(imageToImage);
            setSizeOfPicture(builder, imageToImage);
        }
        setSize(builder, size);
        if (count != null) {
            builder.count(Math.toIntExact(count));
        }
        if (!fields.has("steps") && !fields.has("sigmas")) {
            builder.steps(Math.min(GenerationRequest.DEFAULT_STEPS, options.maxSteps()));
        }
        boolean prompted = fields.has("prompt") || fields.has("prompts");
        if (!prompted && isVaried(imageToImage)) {
            builder.prompt("");
            builder.imageToImage(from -> from.strength(VARIATION));
        } else if (!prompted) {
            throw ApiException.badParameter("prompt", "prompt must say what to draw, but was missing");
        }
        GenerationRequest request =
                names.explaining(() -> found(builder.json(values.toString()).build()));
        requireLimits(request, prompted, names);
        return controls.shown(request).withSeed();
    }

    /** Returns the request with the file of the upscaler that it names. */
    private GenerationRequest found(GenerationRequest request) {
        UpscalerModel named = request.upscaler();
        if (named == null) {
            return request;
        }
        UpscalerModel upscaler = new UpscalerFolder(options.upscalerFolder()).find(named);
        if (request.hires() <= 1 && upscaler.scale() > MOST_UPSCALING) {
            throw ApiException.badParameter(
                    "upscaler", "pictures are enlarged %d times at most here".formatted(MOST_UPSCALING));
        }
        return request.toBuilder().upscaler(upscaler).build();
    }

    /** What an interface calls otherwise is not to be given twice. */
    private static void requireOnce(ObjectNode values, boolean count, boolean size, ParameterNames names) {
        if (count && (values.hasNonNull("count") || values.hasNonNull("seeds"))) {
            throw ApiException.badParameter(
                    names.count(), "%s and count or seeds say the same: give one".formatted(names.count()));
        }
        if (size && (values.hasNonNull("width") || values.hasNonNull("height"))) {
            throw ApiException.badParameter("size", "size is width and height in one: give it or them");
        }
    }

    /** What to draw instead of a part of a picture, nobody can guess. */
    private static boolean isVaried(@Nullable ImageToImage imageToImage) {
        return imageToImage != null
                && imageToImage.mask() == null
                && imageToImage.extension().isNone();
    }

    /** Draws smaller than the picture is where that is more than the server allows. */
    private void setSizeOfPicture(GenerationRequest.Builder builder, ImageToImage imageToImage) {
        SourceImage image = imageToImage.image();
        if (image != null && (double) image.width() * image.height() > options.maxPixels()) {
            double scale = Math.sqrt(options.maxPixels() / ((double) image.width() * image.height()));
            builder.size(floored(image.width() * scale), floored(image.height() * scale));
        }
    }

    private static int floored(double side) {
        return Math.max(1, (int) (side / MULTIPLE)) * MULTIPLE;
    }

    private void setSize(GenerationRequest.Builder builder, @Nullable String size) {
        if (size == null || size.equals("auto")) {
            return;
        }
        Matcher matcher = SIZE.matcher(size);
        if (!matcher.matches()) {
            throw ApiException.badParameter(
                    "size",
                    "size must be auto, or width and height as in %1$dx%1$d, but was '%2$s'"
                            .formatted(options.size(), JsonFields.shown(size, 40)));
        }
        builder.size(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
    }

    private void requireLimits(GenerationRequest request, boolean prompted, ParameterNames names) {
        String name = names.of("prompt");
        for (String prompt : request.prompts()) {
            requireText(name, prompt);
            if (prompted && prompt.isBlank()) {
                String problem = "%s must say what to draw, but %s empty";
                throw ApiException.badParameter(
                        name, problem.formatted(name, request.prompts().size() == 1 ? "was" : "one was"));
            }
        }
        String negative = request.negativePrompt();
        if (negative != null) {
            requireText(names.of("negativePrompt"), negative);
        }
        requireAtMost(names.of("steps"), options.maxSteps(), request.steps());
        if (request.totalCount() > options.maxCount()) {
            throw ApiException.badParameter(
                    request.seeds().isEmpty() ? names.of("count") : "seeds",
                    "a request may have %d pictures here, but %d were asked for"
                            .formatted(options.maxCount(), request.totalCount()));
        }
        requirePixels(request, names);
    }

    private static void requireText(String name, String text) {
        if (text.length() > MAX_PROMPT) {
            throw ApiException.badParameter(
                    name, "%s must have at most %d characters, but has %d".formatted(name, MAX_PROMPT, text.length()));
        }
        JsonFields.requireWellFormed(name, text);
    }

    private static void requireAtMost(String name, int most, int value) {
        if (value > most) {
            throw ApiException.badParameter(
                    name, "%s must be a whole number from 1 to %d, but was %d".formatted(name, most, value));
        }
    }

    /** Noise that is reduced is drawn for the whole picture first. */
    private void requirePixels(GenerationRequest request, ParameterNames names) {
        long reduction = request.noiseReduction();
        long pixels = request.width() * reduction * request.height() * reduction;
        if (pixels > options.maxPixels()) {
            throw ApiException.badParameter(
                    names.of(reduction > 1 ? "noiseReduction" : "width"),
                    "a picture may have %d pixels here, as many as %2$d x %2$d has, but %3$d x %4$d were asked for"
                            .formatted(
                                    options.maxPixels(),
                                    (long) Math.sqrt((double) options.maxPixels()),
                                    request.width() * reduction,
                                    request.height() * reduction));
        }
    }
}
