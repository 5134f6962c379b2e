package io.github.zimage.internal.request;

import static io.github.zimage.internal.request.FieldRule.ANY;
import static io.github.zimage.internal.request.FieldRule.between;
import static io.github.zimage.internal.request.FieldType.NUMBER;
import static io.github.zimage.internal.request.FieldType.WHOLE;
import static io.github.zimage.internal.request.FieldType.listOf;

import io.github.zimage.ImageToImage;
import io.github.zimage.ImageToImage.Extension;
import io.github.zimage.SourceImage;
import java.util.List;
import java.util.Locale;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The fields of a request that starts from a picture. Pictures stand there by their digests. */
final class ImageToImageFields {
    private static final Pattern DIGEST = Pattern.compile("sha256:[0-9a-f]{64}");

    private static final int MAX_PIXELS = 4096;

    static final FieldType<SourceImage> PICTURE = new FieldType<>(
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
            field("image", PICTURE, ANY, ImageToImage::image, ImageToImage::image),
            field("strength", NUMBER, STRENGTH, ImageToImage::givenStrength, ImageToImage::strength),
            choice(
                    "strengthMode",
                    ImageToImage.StrengthMode.class,
                    ImageToImage::strengthMode,
                    ImageToImage::strengthMode),
            choice("fit", ImageToImage.Fit.class, ImageToImage::fit, ImageToImage::fit),
            field("mask", PICTURE, ANY, ImageToImage::mask, ImageToImage::mask),
            choice("maskMode", ImageToImage.MaskMode.class, ImageToImage::maskMode, ImageToImage::maskMode),
            choice("maskCells", ImageToImage.MaskCells.class, ImageToImage::maskCells, ImageToImage::maskCells),
            field(
                    "maskPadding",
                    WHOLE,
                    between(0, MAX_PIXELS, " pixels"),
                    ImageToImage::maskPadding,
                    ImageToImage::maskPadding),
            field(
                    "extend",
                    listOf(WHOLE),
                    SIDES,
                    imageToImage -> imageToImage.extension().isNone()
                            ? null
                            : imageToImage.extension().sides(),
                    (imageToImage, sides) -> imageToImage.extend(Extension.of(sides))));

    private ImageToImageFields() {}

    private static <T> RequestField<T> field(
            String name,
            FieldType<T> type,
            FieldRule<? super T> rule,
            Function<ImageToImage, @Nullable T> get,
            BiFunction<ImageToImage, T, ImageToImage> set) {
        return new RequestField<>(
                name,
                type,
                rule,
                request -> {
                    ImageToImage imageToImage = request.imageToImage();
                    return imageToImage == null ? null : get.apply(imageToImage);
                },
                (builder, value) -> builder.imageToImage(imageToImage -> set.apply(imageToImage, value)));
    }

    /** A field of an enum, which is not written where it has the value of one that says nothing. */
    private static <E extends Enum<E>> RequestField<E> choice(
            String name, Class<E> type, Function<ImageToImage, E> get, BiFunction<ImageToImage, E, ImageToImage> set) {
        E unset = get.apply(ImageToImage.of(SourceImage.ofDigest("0".repeat(64))));
        FieldType<E> texts =
                FieldType.choice(each -> each.name().toLowerCase(Locale.ROOT), List.of(type.getEnumConstants()));
        return field(
                name,
                texts,
                ANY,
                imageToImage -> get.apply(imageToImage) == unset ? null : get.apply(imageToImage),
                set);
    }
}
