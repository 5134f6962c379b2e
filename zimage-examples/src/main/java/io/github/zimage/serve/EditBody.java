package io.github.zimage.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A request with pictures, as a form or as JSON with data URLs.
 *
 * @param fields all but the pictures
 * @param imageToImage the pictures to start from; null if there are none, where that may be
 * @param controls those that are followed
 */
record EditBody(JsonFields fields, @Nullable ImageToImage imageToImage, ControlPictures controls) {
    private static final String FORM = "multipart/form-data";
    static final int MAX_BYTES = 32 << 20;
    private static final Pattern DATA_URL = Pattern.compile("(?i)data:image/[a-z+.-]{1,20};base64,");
    private static final Pattern PLAIN = Pattern.compile("-?[0-9]{1,20}(\\.[0-9]{1,20})?|true|false|\\[.*]");

    /** What is text whatever it looks like. */
    private static final Set<String> TEXTS =
            Set.of("prompt", "negativePrompt", "negative_prompt", "model", "user", "size");

    private static final List<String> PICTURES = List.of("image", "images", "mask");
    private static final Set<String> IMAGES = Set.of("image", "image[]");

    /**
     * Begins to read; the handler is called once all is there and the pictures are decoded.
     *
     * @param worker decodes
     * @throws ApiException if the headers say that it will not do
     */
    static void read(Exchange exchange, Executor worker, Consumer<EditBody> handler) {
        String type = exchange.header("Content-Type");
        String boundary =
                type == null || !type.toLowerCase(Locale.ROOT).startsWith(FORM) ? null : Multipart.boundary(type);
        BodyReader.read(
                exchange,
                boundary != null ? () -> {} : () -> JsonBody.requireType(exchange),
                MAX_BYTES,
                bytes -> exchange.offload(
                        worker,
                        () -> boundary != null
                                ? ofForm(bytes, boundary)
                                : ofFields(JsonFields.parseWithPictures(bytes), true),
                        handler));
    }

    /** As {@link #read}, of JSON alone, which needs no pictures. */
    static void readJson(Exchange exchange, Executor worker, Consumer<EditBody> handler) {
        BodyReader.read(exchange, () -> JsonBody.requireType(exchange), MAX_BYTES, bytes -> {
            if (bytes.length > JsonBody.MAX_BYTES) {
                exchange.offload(worker, () -> ofFields(JsonFields.parseWithPictures(bytes), false), handler);
                return;
            }
            JsonFields fields = JsonFields.parse(bytes);
            if (PICTURES.stream().anyMatch(fields::has) || fields.peek(ControlPictures.FIELD) != null) {
                exchange.offload(worker, () -> ofFields(fields, false), handler); // a small file may be a large picture
            } else {
                handler.accept(plain(fields));
            }
        });
    }

    /**
     * As {@link #readJson}, of pictures to follow alone.
     *
     * @param controlled whether there may be any; otherwise all is small
     */
    static void readControls(Exchange exchange, Executor worker, boolean controlled, Consumer<EditBody> handler) {
        int most = controlled ? MAX_BYTES : JsonBody.MAX_BYTES;
        BodyReader.read(exchange, () -> JsonBody.requireType(exchange), most, bytes -> {
            if (controlled) {
                exchange.offload(worker, () -> plain(JsonFields.parseWithPictures(bytes)), handler);
            } else {
                handler.accept(new EditBody(JsonFields.parse(bytes), null, ControlPictures.NONE));
            }
        });
    }

    private static EditBody plain(JsonFields fields) {
        return new EditBody(fields, null, ControlPictures.taken(fields));
    }

    static EditBody ofForm(byte[] body, String boundary) {
        ObjectNode fields = Exchange.JSON.createObjectNode();
        List<byte[]> images = new ArrayList<>();
        byte[] mask = null;
        for (Multipart.Part part : Multipart.parse(body, boundary)) {
            if (IMAGES.contains(part.name())) {
                images.add(part.content());
            } else if (part.name().equals("mask")) {
                mask = part.content();
            } else if (part.isFile()) {
                throw ApiException.badParameter(JsonFields.shown(part.name(), 40), "files are image and mask only");
            } else {
                fields.set(part.name(), value(part));
            }
        }
        return of(JsonFields.of(fields), images, mask);
    }

    /** Forms know texts only: what looks like a number, a truth or a list is taken for one. */
    private static JsonNode value(Multipart.Part part) {
        String text = part.text();
        if (TEXTS.contains(part.name()) || !PLAIN.matcher(text).matches()) {
            return Exchange.JSON.getNodeFactory().textNode(text);
        }
        try {
            return Exchange.JSON.readTree(text);
        } catch (JsonProcessingException e) {
            return Exchange.JSON.getNodeFactory().textNode(text);
        }
    }

    private static EditBody ofFields(JsonFields fields, boolean needsImage) {
        JsonNode several = fields.value("images");
        List<byte[]> images = new ArrayList<>();
        for (JsonNode given : several == null ? List.<JsonNode>of() : several) {
            images.add(picture("images", given));
        }
        JsonNode image = fields.value("image");
        if (image != null) {
            images.add(picture("image", image));
        }
        JsonNode mask = fields.value("mask");
        if (!needsImage && images.isEmpty() && mask == null) {
            return plain(fields);
        }
        return of(fields, images, mask == null ? null : picture("mask", mask));
    }

    /** Reads a data URL, alone or as OpenAI's {@code {"image_url": ...}}. */
    static byte[] picture(String name, JsonNode value) {
        JsonNode url = value.isObject() ? value.path("image_url") : value;
        String text = url.isTextual() ? url.textValue() : "";
        Matcher prefix = DATA_URL.matcher(text);
        if (!prefix.lookingAt()) {
            throw ApiException.badParameter(
                    name,
                    name + " must be a data URL such as data:image/png;base64,...: nothing is fetched from elsewhere");
        }
        try {
            return Base64.getMimeDecoder().decode(text.substring(prefix.end()));
        } catch (IllegalArgumentException e) {
            throw ApiException.badParameter(name, name + " must be base64 behind the comma, but is not");
        }
    }

    private static EditBody of(JsonFields fields, List<byte[]> images, byte @Nullable [] mask) {
        if (images.size() != 1) {
            throw ApiException.badParameter(
                    "image", "there must be one image to start from, but there were %d".formatted(images.size()));
        }
        ImageToImage imageToImage = ImageToImage.of(source("image", images.get(0)));
        return new EditBody(
                fields, mask == null ? imageToImage : imageToImage.mask(mask(mask)), ControlPictures.taken(fields));
    }

    static SourceImage source(String name, byte[] file) {
        try {
            return SourceImage.of(file);
        } catch (IllegalArgumentException e) {
            throw ApiException.badParameter(name, "%s: %s".formatted(name, e.getMessage()));
        }
    }

    /** Where a mask is transparent, OpenAI's clients want the picture to change; of one that is opaque, where it is white. */
    private static SourceImage mask(byte[] file) {
        try {
            return SourceImage.ofTransparency(file).orElseGet(() -> source("mask", file));
        } catch (IllegalArgumentException e) {
            throw ApiException.badParameter("mask", "mask: " + e.getMessage());
        }
    }
}
