package io.github.zimage.internal.request;

import static io.github.zimage.internal.request.FieldType.NUMBER;
import static io.github.zimage.internal.request.FieldType.listOf;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.control.ControlImage;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** How a control picture stands in JSON: an object of the names of its setters. Pictures stand there by their digests. */
final class ControlJson {
    /** How many pictures can be followed at once. */
    private static final int MOST = 8;

    private static final double MOST_SCALE = 10;

    /** What one says nothing with: what has its values is not written. */
    private static final ControlImage UNSET = ControlImage.of(SourceImage.ofDigest("0".repeat(64)));

    /** A value of a control picture. */
    private record Field<T>(
            String name,
            FieldType<T> type,
            Function<ControlImage, @Nullable T> get,
            BiFunction<ControlImage, T, ControlImage> set) {
        boolean fits(JsonNode json) {
            return !json.has(name) || type.fits().test(json.get(name));
        }

        ControlImage read(JsonNode json, ControlImage control) {
            return json.has(name) ? set.apply(control, type.read().apply(json.get(name))) : control;
        }

        void write(ControlImage control, ObjectNode json) {
            T value = get.apply(control);
            if (value != null && !value.equals(get.apply(UNSET))) {
                json.set(name, type.write().apply(value));
            }
        }
    }

    private static final List<Field<?>> FIELDS = List.of(
            new Field<>("image", ImageToImageFields.PICTURE, ControlImage::image, ControlImage::image),
            choice("type", ControlImage.Type.class, ControlImage::type, ControlImage::type),
            new Field<>("scale", NUMBER, ControlImage::scale, ControlImage::scale),
            new Field<>("from", NUMBER, ControlImage::from, ControlImage::from),
            new Field<>("until", NUMBER, ControlImage::until, ControlImage::until),
            new Field<>("stepScales", listOf(NUMBER), ControlImage::stepScales, ControlImage::stepScales),
            choice("fit", ImageToImage.Fit.class, ControlImage::fit, ControlImage::fit),
            new Field<>(
                    "inpaintImage", ImageToImageFields.PICTURE, ControlImage::inpaintImage, ControlImage::inpaintImage),
            new Field<>(
                    "inpaintMask", ImageToImageFields.PICTURE, ControlImage::inpaintMask, ControlImage::inpaintMask),
            choice("semantics", ControlImage.Semantics.class, ControlImage::semantics, ControlImage::semantics));

    private static final List<String> NAMES = FIELDS.stream().map(Field::name).toList();

    static final FieldType<ControlImage> TYPE = new FieldType<>(
            "an object of image, " + NAMES.stream().skip(1).collect(Collectors.joining(", ")),
            ControlJson::fits,
            ControlJson::read,
            ControlJson::write);

    static final FieldRule<List<ControlImage>> RULE = new FieldRule<>(
            "be at most %d, each with an image, or an inpaintImage with its inpaintMask, scales between -%d and %d, and 0 <= from < until <= 1"
                    .formatted(MOST, (int) MOST_SCALE, (int) MOST_SCALE),
            controls -> controls.size() <= MOST && controls.stream().allMatch(ControlJson::isSound));

    private ControlJson() {}

    private static <E extends Enum<E>> Field<E> choice(
            String name, Class<E> type, Function<ControlImage, E> get, BiFunction<ControlImage, E, ControlImage> set) {
        return new Field<>(
                name,
                FieldType.choice(each -> each.name().toLowerCase(Locale.ROOT), List.of(type.getEnumConstants())),
                get,
                set);
    }

    private static boolean isSound(ControlImage control) {
        List<Double> scales = new ArrayList<>(control.stepScales());
        scales.add(control.scale());
        boolean inpaints = control.inpaintImage() != null;
        return scales.size() <= 1001
                && scales.stream().allMatch(each -> Math.abs(each) <= MOST_SCALE)
                && control.from() >= 0
                && control.from() < control.until()
                && control.until() <= 1
                && inpaints == (control.inpaintMask() != null)
                && (inpaints || control.image() != null);
    }

    private static boolean fits(JsonNode node) {
        if (!node.isObject()) {
            return false;
        }
        return node.properties().stream().allMatch(each -> NAMES.contains(each.getKey()))
                && FIELDS.stream().allMatch(field -> field.fits(node));
    }

    private static ControlImage read(JsonNode node) {
        ControlImage control = ControlImage.none();
        for (Field<?> field : FIELDS) {
            control = field.read(node, control);
        }
        return control;
    }

    private static JsonNode write(ControlImage control) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        FIELDS.forEach(field -> field.write(control, json));
        return json;
    }
}
