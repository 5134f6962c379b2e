package io.github.zimage.cli;

import io.github.zimage.ImageToImage;
import io.github.zimage.ImageToImage.Extension;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImageException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What a picture starts from in place of noise alone. */
final class ImageToImageOptions {
    private static final List<String> SIDES = List.of("left", "top", "right", "bottom");

    @Option(
            names = "--image",
            paramLabel = "FILE",
            description =
                    "Start from this picture (PNG, JPEG or WebP) in place of noise alone. Its size is taken unless another is"
                            + " given.")
    private @Nullable Path image;

    @Option(
            names = "--strength",
            paramLabel = "S",
            description =
                    "How much of --image is drawn anew, from above 0 to 1 (default: 0.6; 1 with --mask or --extend). All"
                            + " steps are taken, from the noise level that this is.")
    private @Nullable Double strength;

    @Option(
            names = "--strength-mode",
            paramLabel = "continuous|stepped",
            description = "stepped takes the strength's part of the steps, as diffusers does (default: continuous).")
    private ImageToImage.@Nullable StrengthMode strengthMode;

    @Option(
            names = "--fit",
            paramLabel = "stretch|cover|contain",
            description =
                    "How --image is brought to the size: in whatever shape, cut off at two sides, or with its edges"
                            + " repeated (default: cover).")
    private ImageToImage.@Nullable Fit fit;

    @Option(
            names = "--mask",
            paramLabel = "FILE",
            description =
                    "Draw anew only what is white in this picture. What is black comes out as it was, to the byte.")
    private @Nullable Path mask;

    @Option(
            names = "--mask-mode",
            paramLabel = "binary|soft|differential",
            description = "What greys of --mask mean: lighter than half or not, mixed in after each step, or let go the"
                    + " earlier the lighter (default: binary).")
    private ImageToImage.@Nullable MaskMode maskMode;

    @Option(
            names = "--mask-cells",
            paramLabel = "any|corner",
            description =
                    "Draw anew squares of 8 x 8 pixels of which any pixel is white, or the upper left one, as diffusers"
                            + " does (default: any).")
    private ImageToImage.@Nullable MaskCells maskCells;

    @Option(
            names = "--mask-padding",
            paramLabel = "PIXELS",
            description =
                    "Draw only the mask and so many pixels around it, in the size that is given, and put that back into"
                            + " the picture.")
    private @Nullable Integer maskPadding;

    @Option(
            names = "--extend",
            paramLabel = "SIDE=PIXELS,...",
            hideParamSyntax = true,
            split = ",",
            description = "Draw beside the picture: left, top, right, bottom, such as left=128,top=64.")
    private Map<String, Integer> extend = new LinkedHashMap<>();

    /**
     * Returns what was asked for, with its pictures read; null if there is no picture to start from.
     *
     * @throws IllegalArgumentException if a picture cannot be read, or an option makes no sense without another
     */
    @Nullable
    ImageToImage read() {
        if (image == null) {
            List<String> alone = withoutImage();
            if (!alone.isEmpty()) {
                throw new IllegalArgumentException(
                        "%s needs --image, the picture to start from".formatted(String.join(", ", alone)));
            }
            return null;
        }
        ImageToImage from = ImageToImage.of(read(image));
        from = strength == null ? from : from.strength(strength);
        from = strengthMode == null ? from : from.strengthMode(strengthMode);
        from = fit == null ? from : from.fit(fit);
        from = mask == null ? from : from.mask(read(mask));
        from = maskMode == null ? from : from.maskMode(maskMode);
        from = maskCells == null ? from : from.maskCells(maskCells);
        from = maskPadding == null ? from : from.maskPadding(maskPadding);
        return extend.isEmpty() ? from : from.extend(extension());
    }

    private List<String> withoutImage() {
        List<String> given = new ArrayList<>();
        Map<String, @Nullable Object> options = new LinkedHashMap<>();
        options.put("--strength", strength);
        options.put("--strength-mode", strengthMode);
        options.put("--fit", fit);
        options.put("--mask", mask);
        options.put("--mask-mode", maskMode);
        options.put("--mask-cells", maskCells);
        options.put("--mask-padding", maskPadding);
        options.put("--extend", extend.isEmpty() ? null : extend);
        options.forEach((name, value) -> {
            if (value != null) {
                given.add(name);
            }
        });
        return given;
    }

    private Extension extension() {
        Set<String> unknown = new TreeSet<>();
        int[] pixels = new int[SIDES.size()];
        extend.forEach((side, value) -> {
            int at = SIDES.indexOf(side.toLowerCase(Locale.ROOT));
            if (at < 0) {
                unknown.add(side);
            } else {
                pixels[at] = value;
            }
        });
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException(
                    "--extend knows left, top, right and bottom, but not " + String.join(", ", unknown));
        }
        return new Extension(pixels[0], pixels[1], pixels[2], pixels[3]);
    }

    private static SourceImage read(Path file) {
        try {
            return SourceImage.read(file);
        } catch (ZImageException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }
}
