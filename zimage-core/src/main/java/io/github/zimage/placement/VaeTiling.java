package io.github.zimage.placement;

import io.github.zimage.ImageSize;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import java.util.Locale;

/**
 * Whether the VAE decodes a picture whole or in tiles. A tile is a strip of rows over the full width. Tiles take less memory and
 * somewhat more time, and give the same picture up to rounding: their norms use the statistics of the whole picture, and each tile
 * is computed with the rows around it. So there is nothing to blend, and no overlap to choose.
 *
 * @param mode when there are tiles
 * @param rows how many rows are computed at a time, a multiple of 8 from 8 to 8192, or 0 for as many as suit the picture
 */
public record VaeTiling(Mode mode, int rows) {
    private static final int MULTIPLE = 8;

    /** When a picture is decoded in tiles. */
    public enum Mode {
        /** When memory is short. */
        AUTO,
        /** Always. */
        ON,
        /** Never. */
        OFF
    }

    /**
     * Checks the rows.
     *
     * @throws IllegalArgumentException if they are out of range, or given though there are no tiles
     */
    public VaeTiling {
        Given.value(mode, "mode");
        if (rows != 0 && (rows < MULTIPLE || rows > ImageSize.MAX_SIDE || rows % MULTIPLE != 0)) {
            throw new IllegalArgumentException(
                    "the rows of a VAE tile must be a multiple of %d from %d to %d, but were %d"
                            .formatted(MULTIPLE, MULTIPLE, ImageSize.MAX_SIDE, rows));
        }
        if (rows != 0 && mode == Mode.OFF) {
            throw new IllegalArgumentException(
                    "VAE tiling is off, but tiles of %d rows were asked for".formatted(rows));
        }
    }

    /** Returns the choice to use tiles when memory is short. */
    public static VaeTiling auto() {
        return new VaeTiling(Mode.AUTO, 0);
    }

    /** Returns the choice to use tiles always. */
    public static VaeTiling on() {
        return new VaeTiling(Mode.ON, 0);
    }

    /** Returns the choice never to use tiles. */
    public static VaeTiling off() {
        return new VaeTiling(Mode.OFF, 0);
    }

    /**
     * Returns the choice to use tiles of so many rows always.
     *
     * @throws IllegalArgumentException unless the rows are a multiple of 8 from 8 to 8192
     */
    public static VaeTiling ofRows(int rows) {
        if (rows == 0) {
            throw new IllegalArgumentException("a VAE tile must have rows, but was given 0");
        }
        return new VaeTiling(Mode.ON, rows);
    }

    /**
     * Reads {@code auto}, {@code on}, {@code off} or a number of rows such as {@code 64}.
     *
     * @throws IllegalArgumentException if the text is none of these
     */
    public static VaeTiling parse(String text) {
        return switch (Given.value(text, "vaeTiling").toLowerCase(Locale.ROOT)) {
            case "auto" -> auto();
            case "on" -> on();
            case "off" -> off();
            default -> {
                if (!text.matches("[0-9]{1,9}")) {
                    String overlap =
                            text.matches("[0-9]+:[0-9]+") ? "; tiles need no overlap: give the rows alone" : "";
                    throw new IllegalArgumentException(
                            "VAE tiling must be auto, on, off or a number of rows such as 64, but was '%s'%s"
                                    .formatted(ShownText.cut(text), overlap));
                }
                yield ofRows(Integer.parseInt(text));
            }
        };
    }
}
