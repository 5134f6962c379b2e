package io.github.zimage.control;

import com.google.errorprone.annotations.CheckReturnValue;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.io.Given;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A picture that others follow, by the ControlNet of a pipeline: its outlines, its depth, a pose, or what
 * surrounds a part that is drawn anew. Immutable: setters return another.
 *
 * <pre>{@code
 * GenerationRequest.builder()
 *         .prompt("a red fox in the snow")
 *         .control(ControlImage.of(Path.of("sketch.png")).scale(0.8))
 *         .build();
 * }</pre>
 *
 * <p>Values are checked when the request is built; whether the ControlNet takes them, when it is queued.
 */
@CheckReturnValue
public final class ControlImage implements Cloneable {
    /** The scale unless set. */
    public static final double DEFAULT_SCALE = 0.75;

    private static final ControlImage EMPTY = new ControlImage();

    private @Nullable SourceImage image;
    private Type type = Type.AUTO;
    private double scale = DEFAULT_SCALE;
    private double from;
    private double until = 1;
    private List<Double> stepScales = List.of();
    private ImageToImage.Fit fit = ImageToImage.Fit.COVER;
    private @Nullable SourceImage inpaintImage;
    private @Nullable SourceImage inpaintMask;
    private Semantics semantics = Semantics.TRAINED;

    private ControlImage() {}

    /** What is made of the picture before the ControlNet sees it. */
    public enum Type {
        /**
         * Nothing, if the picture looks like a map already, without colours or mostly black; otherwise outlines as by {@link #CANNY}. The default.
         */
        AUTO,
        /** Outlines: what OpenCV's {@code Canny} makes of the resized picture with thresholds of 100 and 200, white on black. */
        CANNY,
        /** The picture without its fine details: reduced to a quarter, and enlarged. For Tile ControlNets. */
        TILE,
        /** The picture in grey. */
        GREY,
        /** The picture, blurred: Pillow's {@code GaussianBlur} with a radius of 8 pixels. */
        BLUR,
        /** Nothing: the picture is a map of the user's own, such as of depth or a pose. */
        NONE
    }

    /** How hints for the noise refiner act, which ControlNets from 2.0 on give. Makes no difference with Union 1.0. */
    public enum Semantics {
        /** On the picture itself, as in VideoX-Fun, which the weights were trained with. The default. */
        TRAINED,
        /** Within the ControlNet only, as diffusers 0.42 computes. Takes longer. */
        DIFFUSERS
    }

    /** Follows a picture. */
    public static ControlImage of(SourceImage image) {
        return EMPTY.image(image);
    }

    /**
     * Follows a picture in a file.
     *
     * @throws ZImageException as {@link SourceImage#read}
     */
    public static ControlImage of(Path file) {
        return of(SourceImage.read(file));
    }

    /** Follows nothing yet: a picture, or surroundings of one, must be set. */
    public static ControlImage none() {
        return EMPTY;
    }

    /** Follows nothing but what surrounds a part that is drawn anew: see {@link #inpaint}. */
    public static ControlImage ofSurroundings(SourceImage image, SourceImage mask) {
        return EMPTY.inpaint(image, mask);
    }

    private ControlImage with(Consumer<ControlImage> change) {
        try {
            ControlImage copy = (ControlImage) clone();
            change.accept(copy);
            return copy;
        } catch (CloneNotSupportedException e) {
            throw new AssertionError(e);
        }
    }

    /** Sets the picture to follow. */
    public ControlImage image(SourceImage image) {
        Given.value(image, "image");
        return with(control -> control.image = image);
    }

    /** Sets what is made of the picture, {@link Type#AUTO} unless set. */
    public ControlImage type(Type type) {
        Given.value(type, "type");
        return with(control -> control.type = type);
    }

    /** Sets how much the picture counts, from -10 to 10, {@value #DEFAULT_SCALE} unless set. 0 draws as without it, to the bit. */
    public ControlImage scale(double scale) {
        return with(control -> control.scale = scale);
    }

    /** Sets the part of the steps, from 0 (the default) to 1, before which it does not count: steps that begin before it are drawn without. */
    public ControlImage from(double from) {
        return with(control -> control.from = from);
    }

    /** Sets the part of the steps, from 0 to 1 (the default), behind which it does not count: steps that end behind it are drawn without. */
    public ControlImage until(double until) {
        return with(control -> control.until = until);
    }

    /**
     * Sets what the scale is multiplied by in each step. With as many numbers as there are steps each has its own; other counts divide the steps
     * evenly. Empty, the default, is 1 in all of them.
     */
    public ControlImage stepScales(List<Double> stepScales) {
        List<Double> copy = Given.list(stepScales, "stepScales");
        return with(control -> control.stepScales = copy);
    }

    /** Sets how the picture is brought to the size of the request, {@link ImageToImage.Fit#COVER} unless set; diffusers has {@code STRETCH}. */
    public ControlImage fit(ImageToImage.Fit fit) {
        Given.value(fit, "fit");
        return with(control -> control.fit = fit);
    }

    /**
     * Lets ControlNets from 2.0 on see a picture outside of a mask, whose white is drawn anew. Unset, it is the picture that the request starts from, if that has a mask. Noise is not put back by this alone: combine it with an edit for pixels
     * that shall come out as they were.
     */
    public ControlImage inpaint(SourceImage image, SourceImage mask) {
        Given.value(image, "image");
        Given.value(mask, "mask");
        return inpaintImage(image).inpaintMask(mask);
    }

    /** Sets the picture of {@link #inpaint} alone. */
    public ControlImage inpaintImage(SourceImage image) {
        Given.value(image, "image");
        return with(control -> control.inpaintImage = image);
    }

    /** Sets the mask of {@link #inpaint} alone. */
    public ControlImage inpaintMask(SourceImage mask) {
        Given.value(mask, "mask");
        return with(control -> control.inpaintMask = mask);
    }

    /** Sets how hints for the noise refiner act, {@link Semantics#TRAINED} unless set. */
    public ControlImage semantics(Semantics semantics) {
        Given.value(semantics, "semantics");
        return with(control -> control.semantics = semantics);
    }

    /** Returns the picture to follow; {@code null} if only surroundings count. */
    public @Nullable SourceImage image() {
        return image;
    }

    /** Returns what is made of the picture. */
    public Type type() {
        return type;
    }

    /** Returns how much the picture counts. */
    public double scale() {
        return scale;
    }

    /** Returns the part of the steps before which it does not count. */
    public double from() {
        return from;
    }

    /** Returns the part of the steps behind which it does not count. */
    public double until() {
        return until;
    }

    /** Returns what the scale is multiplied by, in equal parts of the steps. */
    public List<Double> stepScales() {
        return stepScales;
    }

    /**
     * Returns how much the picture counts in a step.
     *
     * @param step from 0
     * @param steps how many there are
     */
    public double scaleAt(int step, int steps) {
        if ((double) step / steps < from || (step + 1.0) / steps > until) {
            return 0;
        }
        return stepScales.isEmpty() ? scale : scale * stepScales.get((int) ((long) step * stepScales.size() / steps));
    }

    /** Returns how the picture is brought to the size of the request. */
    public ImageToImage.Fit fit() {
        return fit;
    }

    /** Returns the picture whose surroundings of the mask are seen, or {@code null}. */
    public @Nullable SourceImage inpaintImage() {
        return inpaintImage;
    }

    /** Returns the mask whose surroundings are seen, or {@code null}. */
    public @Nullable SourceImage inpaintMask() {
        return inpaintMask;
    }

    /** Returns how hints for the noise refiner act. */
    public Semantics semantics() {
        return semantics;
    }

    private List<@Nullable Object> values() {
        return Arrays.asList(image, type, scale, from, until, stepScales, fit, inpaintImage, inpaintMask, semantics);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ControlImage control && control.values().equals(values());
    }

    @Override
    public int hashCode() {
        return values().hashCode();
    }

    /** Returns the picture, what is made of it, and how much it counts. */
    @Override
    public String toString() {
        return "ControlImage[%s, %s, scale %s%s]"
                .formatted(image, type, scale, inpaintMask == null ? "" : ", surroundings of " + inpaintMask);
    }
}
