package io.github.zimage.internal.request;

import static io.github.zimage.internal.request.FieldRule.ANY;
import static io.github.zimage.internal.request.FieldRule.between;
import static io.github.zimage.internal.request.FieldType.NUMBER;
import static io.github.zimage.internal.request.FieldType.WHOLE;
import static io.github.zimage.internal.request.FieldType.listOf;

import io.github.zimage.ImageEdit;
import io.github.zimage.ImageEdit.Extension;
import io.github.zimage.SourceImage;
import java.util.List;
import java.util.Locale;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The fields of a request that starts from a picture. Pictures stand there by their digests. */
final class EditFields {
    private static final Pattern DIGEST = Pattern.compile("sha256:[0-9a-f]{64}");

    private static final int MAX_PIXELS = 4096;

    private static final FieldType<SourceImage> PICTURE = new FieldType<>(
            "a picture's digest, sha256: and 64 hexadecimal digits",
            node -> node.isTextual() && DIGEST.matcher(node.textValue()).matches(),
            node -> SourceImage.ofDigest(node.textValue().substring("sha256:".length())),
            image -> FieldType.TEXT.write().apply("sha256:" + image.sha256()));

    private static final FieldRule<Double> STRENGTH =
            new FieldRule<>("be above 0 and at most 1", value -> value > 0 && value <= 1);

    private static final FieldRule<List<Integer>> SIDES = new FieldRule<>(
            "be four numbers of pixels (left, top, right, bottom), each between 0 and " + MAX_PIXELS,
            sides -> sides.size() == 4 && sides.stream().allMatch(side -> side >= 0 && side <= MAX_PIXELS));

    static final List<RequestField<?>> ALL = List.of(
            field("image", PICTURE, ANY, ImageEdit::image, ImageEdit::image),
            field("strength", NUMBER, STRENGTH, ImageEdit::givenStrength, ImageEdit::strength),
            choice("strengthMode", ImageEdit.StrengthMode.class, ImageEdit::strengthMode, ImageEdit::strengthMode),
            choice("fit", ImageEdit.Fit.class, ImageEdit::fit, ImageEdit::fit),
            field("mask", PICTURE, ANY, ImageEdit::mask, ImageEdit::mask),
            choice("maskMode", ImageEdit.MaskMode.class, ImageEdit::maskMode, ImageEdit::maskMode),
            choice("maskCells", ImageEdit.MaskCells.class, ImageEdit::maskCells, ImageEdit::maskCells),
            field(
                    "maskPadding",
                    WHOLE,
                    between(0, MAX_PIXELS, " pixels"),
                    ImageEdit::maskPadding,
                    ImageEdit::maskPadding),
            field(
                    "extend",
                    listOf(WHOLE),
                    SIDES,
                    edit -> edit.extension().isNone() ? null : edit.extension().sides(),
                    (edit, sides) -> edit.extend(Extension.of(sides))));

    private EditFields() {}

    private static <T> RequestField<T> field(
            String name,
            FieldType<T> type,
            FieldRule<? super T> rule,
            Function<ImageEdit, @Nullable T> get,
            BiFunction<ImageEdit, T, ImageEdit> set) {
        return new RequestField<>(
                name,
                type,
                rule,
                request -> {
                    ImageEdit edit = request.edit();
                    return edit == null ? null : get.apply(edit);
                },
                (builder, value) -> builder.edit(edit -> set.apply(edit, value)));
    }

    /** A field of an enum, which is not written where it has the value of an edit that says nothing. */
    private static <E extends Enum<E>> RequestField<E> choice(
            String name, Class<E> type, Function<ImageEdit, E> get, BiFunction<ImageEdit, E, ImageEdit> set) {
        E unset = get.apply(ImageEdit.of(SourceImage.ofDigest("0".repeat(64))));
        FieldType<E> texts =
                FieldType.choice(each -> each.name().toLowerCase(Locale.ROOT), List.of(type.getEnumConstants()));
        return field(name, texts, ANY, edit -> get.apply(edit) == unset ? null : get.apply(edit), set);
    }
}
