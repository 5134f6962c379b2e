package io.github.zimage.serve;

import io.github.zimage.internal.image.AwtPixels;
import io.github.zimage.internal.image.JpegEncoder;
import io.github.zimage.internal.image.Pixels;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Set;
import javax.imageio.ImageIO;

/**
 * The format that a client of OpenAI's API wants pictures in.
 *
 * @param name {@code png} or {@code jpeg}
 * @param quality of JPEG, from 1 to 100
 */
record OutputFormat(String name, int quality) {
    private static final String PNG = "png";
    private static final String JPEG = "jpeg";
    private static final int HIGHEST = 100;

    /**
     * Reads {@code output_format} and {@code output_compression}, which is JPEG's quality.
     *
     * @param url whether links are wanted, behind which are PNG files
     */
    static OutputFormat read(JsonFields fields, boolean url) {
        String name = fields.choice("output_format", PNG, Set.of(PNG, JPEG));
        int quality = fields.integer("output_compression", 0, HIGHEST, HIGHEST);
        if (name.equals(JPEG)) {
            if (url) {
                throw ApiException.badParameter(
                        "output_format",
                        "output_format must be png where response_format is url: links are to PNG files");
            }
            return new OutputFormat(name, Math.max(1, quality));
        }
        if (quality < HIGHEST) {
            throw ApiException.badParameter(
                    "output_compression",
                    "output_compression must be 100 for png, which loses nothing; jpeg takes less");
        }
        fields.ignore("output_compression");
        return new OutputFormat(name, quality);
    }

    /** Returns a picture's file; of JPEG without the parameters that a PNG carries. Takes milliseconds. */
    byte[] encoded(byte[] png) {
        if (name.equals(PNG)) {
            return png;
        }
        try {
            BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
            Pixels pixels = AwtPixels.rgb(image);
            return JpegEncoder.encode(pixels.width(), pixels.height(), pixels.data(), quality);
        } catch (IOException e) {
            throw new UncheckedIOException("a picture of our own cannot be read", e);
        }
    }
}
