package io.github.zimage.internal.image;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads pictures as Pillow's {@code convert("RGB")} does after {@code ImageOps.exif_transpose}, transparent parts over white, 16 bits cut to the upper
 * eight. Beyond that, colours of other profiles than sRGB become those of sRGB.
 */
public final class PictureReader {
    /** The most bytes of a file. */
    public static final int MAX_BYTES = 128 << 20;

    private PictureReader() {}

    /**
     * Reads a file as it is.
     *
     * @throws IOException if it cannot be read or has too many bytes
     */
    public static byte[] bytes(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException(Files.exists(file) ? "it is no file" : "it does not exist");
        }
        long size = Files.size(file);
        if (size > MAX_BYTES) {
            throw new IOException("a picture's file must have at most %d MiB, but this has %d"
                    .formatted(MAX_BYTES >> 20, size >> 20));
        }
        return Files.readAllBytes(file);
    }

    /**
     * Reads a picture in red, green and blue.
     *
     * @param file the content of a PNG, JPEG or, where ImageIO has a plugin for it, WebP file
     * @throws IOException if it is no such file, damaged or larger than the limits
     */
    public static Pixels rgb(byte[] file) throws IOException {
        PictureFile picture = opened(file);
        Pixels decoded = AwtPixels.rgb(decoded(picture), picture.transparent(), picture.profile());
        return Exif.upright(decoded, picture.orientation());
    }

    /**
     * Reads how transparent a picture is: white where nothing is seen of it.
     *
     * @param file as for {@link #rgb}
     * @return that, in red, green and blue; null if nothing of it is transparent
     * @throws IOException as {@link #rgb}
     */
    public static @Nullable Pixels transparency(byte[] file) throws IOException {
        PictureFile picture = opened(file);
        Pixels clear = AwtPixels.transparency(decoded(picture), picture.transparent());
        return clear == null ? null : Exif.upright(clear, picture.orientation());
    }

    private static PictureFile opened(byte[] file) throws IOException {
        if (file.length > MAX_BYTES) {
            throw new IOException("a picture's file must have at most %d MiB, but this has %d"
                    .formatted(MAX_BYTES >> 20, file.length >> 20));
        }
        return takenApart(file);
    }

    private static PictureFile takenApart(byte[] file) throws IOException {
        if (startsWith(file, 0, 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n')) {
            return PngFile.read(file);
        }
        if (startsWith(file, 0, 0xff, 0xd8, 0xff)) {
            return JpegFile.read(file);
        }
        if (startsWith(file, 0, 'R', 'I', 'F', 'F') && startsWith(file, 8, 'W', 'E', 'B', 'P')) {
            return WebpFile.read(file);
        }
        throw new IOException("it must be a PNG, JPEG or WebP file, but begins with " + beginning(file));
    }

    private static boolean startsWith(byte[] file, int at, int... bytes) {
        if (file.length < at + bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if (Byte.toUnsignedInt(file[at + i]) != bytes[i]) {
                return false;
            }
        }
        return true;
    }

    private static String beginning(byte[] file) {
        StringBuilder hex = new StringBuilder();
        for (int i = 0; i < Math.min(8, file.length); i++) {
            hex.append("%02x ".formatted(file[i]));
        }
        return hex.isEmpty() ? "nothing" : hex.toString().trim();
    }

    private static BufferedImage decoded(PictureFile picture) throws IOException {
        String format = picture.format().name();
        Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName(format);
        if (!readers.hasNext()) {
            throw new IOException(
                    "%s files are read only with a plugin for ImageIO, such as com.twelvemonkeys.imageio:imageio-webp: add it, or convert the file to PNG"
                            .formatted(format));
        }
        ImageReader reader = readers.next();
        try (ImageInputStream input = new MemoryCacheImageInputStream(new ByteArrayInputStream(picture.bytes()))) {
            reader.setInput(input, true, true);
            PictureFile.requireSize(reader.getWidth(0), reader.getHeight(0));
            return reader.read(0);
        } catch (RuntimeException e) {
            // Decoders throw whatever comes of what they did not expect.
            throw new IOException("the %s file is damaged: %s".formatted(format, e), e);
        } finally {
            reader.dispose();
        }
    }
}
