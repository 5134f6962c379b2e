package io.github.zimage;

import com.google.errorprone.annotations.CheckReturnValue;
import io.github.zimage.internal.io.Given;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What pictures start from in place of noise alone: a picture, with as much noise as {@link #strength} says; with a {@link #mask}, only part of it is
 * drawn anew; with {@link #extend}, more than it shows. Immutable: setters return another.
 *
 * <pre>{@code
 * GenerationRequest.builder()
 *         .prompt("a red fox in the snow, oil painting")
 *         .imageToImage(ImageToImage.of(Path.of("fox.png")).strength(0.5))
 *         .build();
 * }</pre>
 *
 * <p>Values are checked when the request is built.
 */
@CheckReturnValue
public final class ImageToImage implements Cloneable {
    /** The strength of a picture that is drawn anew as a whole, unless said otherwise. */
    public static final double DEFAULT_STRENGTH = 0.6;

    static final ImageToImage EMPTY = new ImageToImage();

    private static final int MULTIPLE = 16;
    /** Larger pictures are drawn smaller unless a size is given: the model was trained with at most about as many pixels. */
    private static final long MAX_PIXELS = 1536 * 1536;

    private @Nullable SourceImage image;
    private @Nullable Double strength;
    private StrengthMode strengthMode = StrengthMode.CONTINUOUS;
    private Fit fit = Fit.COVER;
    private @Nullable SourceImage mask;
    private MaskMode maskMode = MaskMode.BINARY;
    private MaskCells maskCells = MaskCells.ANY;
    private @Nullable Integer maskPadding;
    private Extension extension = Extension.NONE;

    private ImageToImage() {}

    /** How the steps go with a strength below 1. */
    public enum StrengthMode {
        /**
         * All steps are taken, from the noise level that lies the strength's part of the way from the picture to noise, before the scheduler's
         * shift. The default, since models of few steps need all of them.
         */
        CONTINUOUS,
        /** Of the steps, the last ones are taken, as many as are the strength's part of them: what diffusers does. */
        STEPPED
    }

    /** How a picture is brought to the size of the request. */
    public enum Fit {
        /** Whatever its shape, as diffusers does. */
        STRETCH,
        /** In its shape, cut off at two sides if need be. The default. */
        COVER,
        /** In its shape, its edges repeated at two sides if need be. */
        CONTAIN
    }

    /** What the greys of a mask mean. */
    public enum MaskMode {
        /** What is lighter than half is drawn anew. The default, as in diffusers. */
        BINARY,
        /** What is drawn is mixed with the picture, after each step, as much as it is light. */
        SOFT,
        /** The lighter, the earlier it is let go: white is drawn from the first step on, dark greys change little. */
        DIFFERENTIAL
    }

    /** Which latents a mask covers, each of which stands for 8 by 8 pixels. */
    public enum MaskCells {
        /** Those of which any pixel is covered, so that no stroke is too thin. The default. */
        ANY,
        /** Those of which the upper left pixel is covered, as in diffusers. */
        CORNER
    }

    /**
     * What is drawn beside a picture, in its own pixels.
     *
     * @param left how much on the left
     * @param top how much above
     * @param right how much on the right
     * @param bottom how much below
     */
    public record Extension(int left, int top, int right, int bottom) {
        /** Nothing. */
        public static final Extension NONE = new Extension(0, 0, 0, 0);

        /** Returns whether it is nothing. */
        public boolean isNone() {
            return equals(NONE);
        }

        /** Returns left, top, right and bottom. */
        public List<Integer> sides() {
            return List.of(left, top, right, bottom);
        }

        /**
         * Returns what {@link #sides} gave.
         *
         * @throws IllegalArgumentException if there are not four numbers
         */
        public static Extension of(List<Integer> sides) {
            if (sides.size() != 4) {
                throw new IllegalArgumentException(
                        "an extension must be left, top, right and bottom, but had %d numbers".formatted(sides.size()));
            }
            return new Extension(sides.get(0), sides.get(1), sides.get(2), sides.get(3));
        }
    }

    /** Starts from a picture. */
    public static ImageToImage of(SourceImage image) {
        return EMPTY.image(image);
    }

    /**
     * Starts from a picture's file.
     *
     * @throws ZImageException as {@link SourceImage#read}
     */
    public static ImageToImage of(Path file) {
        return of(SourceImage.read(file));
    }

    private ImageToImage with(Consumer<ImageToImage> change) {
        try {
            ImageToImage copy = (ImageToImage) clone();
            change.accept(copy);
            return copy;
        } catch (CloneNotSupportedException e) {
            throw new AssertionError(e);
        }
    }

    /** Sets the picture to start from. */
    public ImageToImage image(SourceImage image) {
        Given.value(image, "image");
        return with(imageToImage -> imageToImage.image = image);
    }

    /**
     * Sets how much is drawn anew, from above 0 (nothing) to 1 (all). Unset, it is {@value #DEFAULT_STRENGTH}, and 1 with a mask or an extension. The
     * place of things lasts to about 0.7, colours and textures less.
     */
    public ImageToImage strength(double strength) {
        return with(imageToImage -> imageToImage.strength = strength);
    }

    /** Sets how the steps go with it, {@link StrengthMode#CONTINUOUS} unless set. */
    public ImageToImage strengthMode(StrengthMode strengthMode) {
        Given.value(strengthMode, "strengthMode");
        return with(imageToImage -> imageToImage.strengthMode = strengthMode);
    }

    /** Sets how the picture is brought to the size of the request, {@link Fit#COVER} unless set. A mask comes along. */
    public ImageToImage fit(Fit fit) {
        Given.value(fit, "fit");
        return with(imageToImage -> imageToImage.fit = fit);
    }

    /**
     * Sets what is drawn anew: what is white here. Pixels that are black come out as they are in the picture, to the byte; between, both are mixed. A mask
     * of another size than the picture's is resized to it.
     */
    public ImageToImage mask(SourceImage mask) {
        Given.value(mask, "mask");
        return with(imageToImage -> imageToImage.mask = mask);
    }

    /** Sets what greys of the mask mean while drawing, {@link MaskMode#BINARY} unless set. */
    public ImageToImage maskMode(MaskMode maskMode) {
        Given.value(maskMode, "maskMode");
        return with(imageToImage -> imageToImage.maskMode = maskMode);
    }

    /** Sets which latents the mask covers, {@link MaskCells#ANY} unless set. Soft masks cover each by the mean of its pixels. */
    public ImageToImage maskCells(MaskCells maskCells) {
        Given.value(maskCells, "maskCells");
        return with(imageToImage -> imageToImage.maskCells = maskCells);
    }

    /**
     * Lets only the part of the picture be drawn, in the request's size, that the mask and so many pixels around it take, 0 to 4096. The result has the
     * picture's size, with that part put back. Unset, the whole picture is drawn.
     */
    public ImageToImage maskPadding(int maskPadding) {
        return with(imageToImage -> imageToImage.maskPadding = maskPadding);
    }

    /** Sets how many pixels are drawn beside the picture, in its own pixels, 0 to 4096 each; rounded up so that the whole has multiples of 16. */
    public ImageToImage extend(int left, int top, int right, int bottom) {
        return extend(new Extension(left, top, right, bottom));
    }

    /** As {@link #extend(int, int, int, int)}. */
    public ImageToImage extend(Extension extension) {
        Given.value(extension, "extension");
        return with(imageToImage -> imageToImage.extension = extension);
    }

    /** Returns the picture to start from; {@code null} as long as only other values are known. */
    public @Nullable SourceImage image() {
        return image;
    }

    /** Returns how much is drawn anew. */
    public double strength() {
        Double given = strength;
        return given != null ? given : mask != null || !extension.isNone() ? 1 : DEFAULT_STRENGTH;
    }

    /** Returns the strength if it was set, or {@code null}. */
    public @Nullable Double givenStrength() {
        return strength;
    }

    /** Returns how the steps go with the strength. */
    public StrengthMode strengthMode() {
        return strengthMode;
    }

    /** Returns how the picture is brought to the size of the request. */
    public Fit fit() {
        return fit;
    }

    /** Returns what is drawn anew, or {@code null} if all is. */
    public @Nullable SourceImage mask() {
        return mask;
    }

    /** Returns what greys of the mask mean. */
    public MaskMode maskMode() {
        return maskMode;
    }

    /** Returns which latents the mask covers. */
    public MaskCells maskCells() {
        return maskCells;
    }

    /** Returns how much around the mask is drawn with it, or {@code null} if the whole picture is. */
    public @Nullable Integer maskPadding() {
        return maskPadding;
    }

    /** Returns what is drawn beside the picture. */
    public Extension extension() {
        return extension;
    }

    /** Returns the size of pictures unless the request says another: the picture's, each side a multiple of 16, or smaller if it has very many pixels. */
    ImageSize size() {
        SourceImage from = image;
        if (from == null || !from.isPresent()) {
            return ImageSize.square(ImageSize.DEFAULT_SIDE);
        }
        double width = (double) from.width() + extension.left() + extension.right();
        double height = (double) from.height() + extension.top() + extension.bottom();
        double scale = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)));
        return new ImageSize(
                side(width * scale, extension.left() + extension.right()),
                side(height * scale, extension.top() + extension.bottom()));
    }

    private static int side(double pixels, int extended) {
        double multiples = pixels / MULTIPLE;
        int side = MULTIPLE * (int) (extended > 0 ? Math.ceil(multiples) : Math.floor(multiples));
        return Math.max(MULTIPLE, Math.min(side, ImageSize.MAX_SIDE / MULTIPLE * MULTIPLE));
    }

    private List<@Nullable Object> values() {
        return Arrays.asList(image, strength, strengthMode, fit, mask, maskMode, maskCells, maskPadding, extension);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ImageToImage imageToImage
                && imageToImage.values().equals(values());
    }

    @Override
    public int hashCode() {
        return values().hashCode();
    }

    /** Returns the picture and what is done with it. */
    @Override
    public String toString() {
        return "ImageToImage[%s, strength %s%s]".formatted(image, strength(), mask == null ? "" : ", mask " + mask);
    }
}
