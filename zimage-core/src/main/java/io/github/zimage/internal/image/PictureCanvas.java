package io.github.zimage.internal.image;

import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A picture that others start from, ready to be encoded.
 *
 * @param picture what is encoded, in the size that is drawn
 * @param mask what of it is drawn anew, in grey and of the same size; null for all of it
 * @param overlay puts back what is not drawn anew; null if all is
 */
public record PictureCanvas(
        Pixels picture, @Nullable Pixels mask, @Nullable Overlay overlay) {
    /**
     * Prepares a picture.
     *
     * @param imageToImage with a picture that is present
     * @param width the width that is drawn, in pixels
     * @param height the height that is drawn
     */
    public static PictureCanvas of(ImageToImage imageToImage, int width, int height) {
        Pixels source = pixels(Objects.requireNonNull(imageToImage.image()));
        SourceImage given = imageToImage.mask();
        Pixels mask = given == null ? null : pixels(given);
        if (imageToImage.fit() == ImageToImage.Fit.STRETCH
                && imageToImage.maskPadding() == null
                && imageToImage.extension().isNone()) {
            return whole(
                    Lanczos.resize(source, width, height),
                    mask == null ? null : Lanczos.resize(mask, width, height).grey());
        }
        Pixels fitting = mask == null
                ? null
                : Lanczos.resize(mask, source.width(), source.height()).grey();
        if (!imageToImage.extension().isNone()) {
            Outpainting outpainting = new Outpainting(source.width(), source.height(), imageToImage.extension());
            fitting = outpainting.mask(fitting);
            source = outpainting.picture(source);
        }
        Integer padding = imageToImage.maskPadding();
        if (fitting != null && padding != null) {
            return part(source, fitting, MaskRegion.of(fitting, padding, width, height), width, height);
        }
        return whole(
                Fitting.of(imageToImage.fit(), source, width, height),
                fitting == null ? null : Fitting.of(imageToImage.fit(), fitting, width, height));
    }

    private static PictureCanvas whole(Pixels picture, @Nullable Pixels mask) {
        Box all = new Box(0, 0, picture.width(), picture.height());
        return new PictureCanvas(picture, mask, mask == null ? null : new Overlay(picture, mask, all));
    }

    private static PictureCanvas part(Pixels source, Pixels mask, Box box, int width, int height) {
        return new PictureCanvas(
                Lanczos.resize(source.cropped(box), width, height),
                Lanczos.resize(mask.cropped(box), width, height),
                new Overlay(source, mask.cropped(box), box));
    }

    private static Pixels pixels(SourceImage image) {
        return new Pixels(image.width(), image.height(), 3, image.rgb());
    }
}
