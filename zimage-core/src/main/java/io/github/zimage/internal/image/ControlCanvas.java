package io.github.zimage.internal.image;

import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.control.ControlImage;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A control picture, ready to be encoded.
 *
 * @param picture the map that is followed, in the size that is drawn; null if there is none
 * @param surroundings a picture of that size, of which what a mask leaves is seen; null if none is
 * @param mask what is drawn anew, in grey, of the same size; null where {@code surroundings} are
 */
public record ControlCanvas(
        @Nullable Pixels picture,
        @Nullable Pixels surroundings,
        @Nullable Pixels mask) {
    /** OpenCV's own examples have these. */
    private static final int LOW = 100;

    private static final int HIGH = 200;
    private static final int REDUCTION = 4;
    private static final double BLUR = 8;

    /** Up to so much do the bands of a picture without colours differ. */
    private static final int GREY = 8;

    private static final int BLACK = 16;

    /**
     * Prepares a control picture.
     *
     * @param control with pictures that are present
     * @param edit the edit of the request, or null
     * @param masks whether the ControlNet sees surroundings of a mask
     * @param width the width that is drawn, in pixels
     * @param height the height that is drawn
     */
    public static ControlCanvas of(
            ControlImage control, @Nullable ImageToImage edit, boolean masks, int width, int height) {
        SourceImage given = control.image();
        Pixels map = given == null
                ? null
                : processed(control.type(), Fitting.of(control.fit(), pixels(given), width, height));
        SourceImage mask = control.inpaintMask();
        if (mask != null) {
            Pixels source = pixels(Objects.requireNonNull(control.inpaintImage()));
            Pixels own = Lanczos.resize(pixels(mask), source.width(), source.height());
            return control.fit() == ImageToImage.Fit.STRETCH
                    ? new ControlCanvas(
                            map,
                            Lanczos.resize(source, width, height),
                            Lanczos.resize(pixels(mask), width, height).grey())
                    : new ControlCanvas(
                            map,
                            Fitting.of(control.fit(), source, width, height),
                            Fitting.of(control.fit(), own.grey(), width, height));
        }
        if (edit != null && masks) {
            PictureCanvas canvas = PictureCanvas.of(edit, width, height);
            return new ControlCanvas(map, canvas.mask() == null ? null : canvas.picture(), canvas.mask());
        }
        return new ControlCanvas(map, null, null);
    }

    /** Returns what the ControlNet sees of a picture that has its size. */
    static Pixels processed(ControlImage.Type type, Pixels picture) {
        return switch (type) {
            case AUTO -> looksLikeMap(picture) ? picture : processed(ControlImage.Type.CANNY, picture);
            case CANNY -> Canny.edges(picture, LOW, HIGH).coloured();
            case TILE -> reduced(picture);
            case GREY -> picture.grey().coloured();
            case BLUR -> GaussianBlur.of(picture, BLUR);
            case NONE -> picture;
        };
    }

    /** Depths, sketches and outlines have no colours; poses lie on black. */
    private static boolean looksLikeMap(Pixels picture) {
        int pixels = picture.width() * picture.height();
        int coloured = 0;
        int black = 0;
        for (int y = 0; y < picture.height(); y++) {
            for (int x = 0; x < picture.width(); x++) {
                int red = picture.sample(x, y, 0);
                int green = picture.sample(x, y, 1);
                int blue = picture.sample(x, y, 2);
                int most = Math.max(red, Math.max(green, blue));
                coloured += most - Math.min(red, Math.min(green, blue)) > GREY ? 1 : 0;
                black += most <= BLACK ? 1 : 0;
            }
        }
        return coloured <= pixels / 100 || black > pixels / 2;
    }

    private static Pixels reduced(Pixels picture) {
        Pixels small = Lanczos.resize(
                picture, Math.max(1, picture.width() / REDUCTION), Math.max(1, picture.height() / REDUCTION));
        return Lanczos.resize(small, picture.width(), picture.height());
    }

    private static Pixels pixels(SourceImage image) {
        return new Pixels(image.width(), image.height(), 3, image.rgb());
    }
}
