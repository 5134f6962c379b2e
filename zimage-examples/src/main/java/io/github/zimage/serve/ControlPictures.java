package io.github.zimage.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.SourceImage;
import io.github.zimage.control.ControlImage;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/** The control pictures of a request, which come as data URLs where the library's JSON has digests. */
final class ControlPictures {
    /** The field of a request. */
    static final String FIELD = "controls";

    static final ControlPictures NONE = new ControlPictures();

    private static final List<String> PICTURES = List.of("image", "inpaintImage", "inpaintMask");

    private final Map<String, SourceImage> bySha256 = new HashMap<>();

    private ControlPictures() {}

    /**
     * Decodes a request's control pictures, and puts their digests in their place.
     *
     * @throws ApiException if one is no picture
     */
    static ControlPictures taken(JsonFields fields) {
        ControlPictures taken = new ControlPictures();
        JsonNode controls = fields.peek(FIELD);
        if (controls != null && controls.isArray()) {
            ArrayNode digests = Exchange.JSON.createArrayNode();
            controls.forEach(each -> digests.add(each.isObject() ? taken.withDigests(each) : each));
            fields.replace(FIELD, digests);
        }
        return taken;
    }

    private JsonNode withDigests(JsonNode control) {
        ObjectNode result = control.deepCopy();
        for (String name : PICTURES) {
            if (result.hasNonNull(name)) {
                String label = FIELD + " " + name;
                SourceImage image = EditBody.source(label, EditBody.picture(label, result.get(name)));
                bySha256.put(image.sha256(), image);
                result.put(name, "sha256:" + image.sha256());
            }
        }
        return result;
    }

    /** Returns a request with its pictures in place of their digests. */
    GenerationRequest shown(GenerationRequest request) {
        if (request.controls().isEmpty()) {
            return request;
        }
        List<ControlImage> controls = request.controls().stream()
                .map(each -> with(each, each.image(), ControlImage::image))
                .map(each -> with(each, each.inpaintImage(), ControlImage::inpaintImage))
                .map(each -> with(each, each.inpaintMask(), ControlImage::inpaintMask))
                .toList();
        return request.toBuilder().controls(controls).build();
    }

    private ControlImage with(
            ControlImage control,
            @Nullable SourceImage digest,
            BiFunction<ControlImage, SourceImage, ControlImage> setter) {
        SourceImage known = digest == null ? null : bySha256.get(digest.sha256());
        return known == null ? control : setter.apply(control, known);
    }
}
