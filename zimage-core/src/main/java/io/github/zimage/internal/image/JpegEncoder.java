package io.github.zimage.internal.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Writes baseline JPEG files by the encoder of the Java runtime, at half the resolution of colours. */
public final class JpegEncoder {
    private static final float HIGHEST = 100;

    private JpegEncoder() {}

    /**
     * Returns a JPEG file.
     *
     * @param rgb {@code width * height * 3} bytes: red, green, blue, row by row
     * @param quality from 1 to 100, as other encoders count it
     */
    public static byte[] encode(int width, int height, byte[] rgb, int quality) {
        if (quality < 1 || quality > HIGHEST) {
            throw new IllegalArgumentException("quality must be between 1 and 100, but was " + quality);
        }
        ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
            ImageWriteParam settings = writer.getDefaultWriteParam();
            settings.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
            settings.setCompressionQuality(quality / HIGHEST);
            writer.setOutput(out);
            writer.write(null, new IIOImage(AwtImage.of(width, height, rgb), null, null), settings);
        } catch (IOException e) {
            throw new UncheckedIOException("a JPEG file cannot be made: " + e.getMessage(), e);
        } finally {
            writer.dispose();
        }
        return bytes.toByteArray();
    }
}
