package io.github.zimage;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A picture's width and height.
 *
 * @param width width in pixels, from 1 to {@value #MAX_SIDE}
 * @param height height in pixels, from 1 to {@value #MAX_SIDE}
 */
public record ImageSize(int width, int height) {
    /** The largest width or height in pixels. */
    public static final int MAX_SIDE = 8192;

    /** Width and height in pixels unless said otherwise. */
    public static final int DEFAULT_SIDE = 1024;

    /** The usual tiers: sides of squares, whose area pictures of other ratios have too. */
    public static final List<Integer> TIERS = List.of(768, 1024, 1280);

    /** Twice what Z-Image wants width and height to be multiples of, so that a preview of half the size can be had. */
    private static final int MULTIPLE = 32;

    private static final int MAX_RATIO = 4;

    private static final Pattern PIXELS = Pattern.compile("([0-9]{1,9})(?:[xX]([0-9]{1,9}))?");
    private static final Pattern RATIO = Pattern.compile("([0-9]{1,4}):([0-9]{1,4})(?:@([0-9]{1,9}))?");

    /**
     * Checks both.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public ImageSize {
        if (Math.min(width, height) < 1 || Math.max(width, height) > MAX_SIDE) {
            throw new IllegalArgumentException("width and height must be between 1 and %d pixels, but were %d x %d"
                    .formatted(MAX_SIDE, width, height));
        }
    }

    /** Returns the size of a square. */
    public static ImageSize square(int side) {
        return new ImageSize(side, side);
    }

    /**
     * Returns a size of about a ratio and of about the area of a square: {@code ofRatio(16, 9, 1024)} is 1376 x 768. Both sides are
     * multiples of 32, so that the model takes them, and halves of them for a preview.
     *
     * @param across width to {@code down}, at most 4 to 1
     * @param down height to {@code across}, at most 4 to 1
     * @param tier side of the square in pixels, one of {@link #TIERS} or any other
     * @throws IllegalArgumentException if a number is not positive, or the ratio or the size out of range
     */
    public static ImageSize ofRatio(int across, int down, int tier) {
        if (across < 1 || down < 1 || across > (long) MAX_RATIO * down || down > (long) MAX_RATIO * across) {
            throw new IllegalArgumentException("a ratio must be between 1:%d and %d:1, but was %d:%d"
                    .formatted(MAX_RATIO, MAX_RATIO, across, down));
        }
        if (tier < 1 || tier > MAX_SIDE) {
            throw new IllegalArgumentException(
                    "the tier must be between 1 and %d pixels, but was %d".formatted(MAX_SIDE, tier));
        }
        double ratio = (double) across / down;
        return new ImageSize(multiple(tier * Math.sqrt(ratio)), multiple(tier / Math.sqrt(ratio)));
    }

    /**
     * Reads a size: {@code 1024x768}, {@code 1024} for a square, {@code 16:9} for that ratio with the area of 1024 by 1024 pixels, or
     * {@code 16:9@768} for that with the area of another square.
     *
     * @throws IllegalArgumentException if the text is none of these or the size out of range
     */
    public static ImageSize of(String text) {
        Matcher pixels = PIXELS.matcher(Given.value(text, "size"));
        if (pixels.matches()) {
            int width = Integer.parseInt(pixels.group(1));
            return new ImageSize(width, pixels.group(2) == null ? width : Integer.parseInt(pixels.group(2)));
        }
        Matcher ratio = RATIO.matcher(text);
        if (ratio.matches()) {
            return ofRatio(
                    Integer.parseInt(ratio.group(1)),
                    Integer.parseInt(ratio.group(2)),
                    ratio.group(3) == null ? DEFAULT_SIDE : Integer.parseInt(ratio.group(3)));
        }
        throw new IllegalArgumentException(
                "a size must be like 1024x768, 1024, 16:9 or 16:9@1024, but was '%s'".formatted(ShownText.cut(text)));
    }

    private static int multiple(double side) {
        return (int) Math.max(1, Math.round(side / MULTIPLE)) * MULTIPLE;
    }

    /** Returns the size as {@code 1024x768}. */
    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%dx%d", width, height);
    }
}
