package io.github.zimage;

import io.github.zimage.internal.image.AwtPixels;
import io.github.zimage.internal.image.PictureReader;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.io.Given;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A picture that others start from, or a mask for it: red, green and blue of 8 bits each, upright, with white behind what is transparent. Lives on the
 * Java heap. Immutable.
 *
 * <p>Files are PNG, JPEG or, if a plugin for ImageIO such as TwelveMonkeys' is on the class path, WebP, of at most 128 MiB and 64 megapixels. They are
 * turned as their EXIF data say; colours of other profiles than sRGB are converted.
 *
 * <p>Requests as text name a picture by its digest, without its content: what is read back from them {@linkplain #isPresent() is not present}.
 */
public final class SourceImage {
    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

    private final String sha256;
    private final @Nullable Pixels pixels;

    private SourceImage(String sha256, @Nullable Pixels pixels) {
        this.sha256 = sha256;
        this.pixels = pixels;
    }

    /**
     * Reads a picture's file.
     *
     * @throws ZImageException if it cannot be read, is no such file, is damaged or too large; the message names the file
     */
    public static SourceImage read(Path file) {
        try {
            byte[] bytes = PictureReader.bytes(file);
            return new SourceImage(digest(bytes), PictureReader.rgb(bytes));
        } catch (IOException e) {
            throw new ZImageException("the picture %s cannot be read: %s".formatted(file, e.getMessage()), e);
        }
    }

    /**
     * Reads a picture from the content of a file.
     *
     * @throws IllegalArgumentException if it is no such file, is damaged or too large
     */
    public static SourceImage of(byte[] file) {
        try {
            return new SourceImage(digest(Given.value(file, "file")), PictureReader.rgb(file));
        } catch (IOException e) {
            throw new IllegalArgumentException("the picture cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * Makes a mask of the content of a file: white where the picture is transparent, black where it is opaque. So OpenAI's clients say what is to be drawn
     * anew.
     *
     * @return the mask; empty if nothing of the picture is transparent
     * @throws IllegalArgumentException as {@link #of(byte[])}
     */
    public static Optional<SourceImage> ofTransparency(byte[] file) {
        try {
            Pixels clear = PictureReader.transparency(Given.value(file, "file"));
            return clear == null ? Optional.empty() : Optional.of(new SourceImage(digest(file), clear));
        } catch (IOException e) {
            throw new IllegalArgumentException("the picture cannot be read: " + e.getMessage(), e);
        }
    }

    /** Takes the pixels of an image, which is copied. */
    public static SourceImage of(BufferedImage image) {
        Pixels pixels = AwtPixels.rgb(Given.value(image, "image"));
        byte[] size = ByteBuffer.allocate(2 * Integer.BYTES)
                .putInt(pixels.width())
                .putInt(pixels.height())
                .array();
        return new SourceImage(digest(size, pixels.data()), pixels);
    }

    /**
     * Stands for a picture that is not here.
     *
     * @param sha256 64 hexadecimal digits in small letters
     * @throws IllegalArgumentException if the text is no such digest
     */
    public static SourceImage ofDigest(String sha256) {
        if (!SHA256.matcher(Given.value(sha256, "sha256")).matches()) {
            throw new IllegalArgumentException("a digest must be 64 hexadecimal digits in small letters, but was "
                    + (sha256.length() > 70 ? "longer" : "'" + sha256.replaceAll("\\p{Cntrl}", "?") + "'"));
        }
        return new SourceImage(sha256, null);
    }

    private static String digest(byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (byte[] part : parts) {
                digest.update(part);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns the SHA-256 of the file; of an image that came without one, that of width, height and pixels. */
    public String sha256() {
        return sha256;
    }

    /** Returns whether the pixels are here. */
    public boolean isPresent() {
        return pixels != null;
    }

    /**
     * Returns the width in pixels.
     *
     * @throws IllegalStateException if the picture is not present
     */
    public int width() {
        return present().width();
    }

    /**
     * Returns the height in pixels.
     *
     * @throws IllegalStateException if the picture is not present
     */
    public int height() {
        return present().height();
    }

    /**
     * Returns a copy of the pixels: {@code width * height * 3} bytes, red, green and blue, row by row from the top left.
     *
     * @throws IllegalStateException if the picture is not present
     */
    public byte[] rgb() {
        return present().data().clone();
    }

    private Pixels present() {
        Pixels here = pixels;
        if (here == null) {
            throw new IllegalStateException("the picture " + sha256 + " is known by its digest only");
        }
        return here;
    }

    /** Compares digests. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof SourceImage image && image.sha256.equals(sha256);
    }

    @Override
    public int hashCode() {
        return sha256.hashCode();
    }

    /** Returns the size and the beginning of the digest. */
    @Override
    public String toString() {
        String digest = sha256.substring(0, 12);
        return pixels == null ? digest : "%d x %d %s".formatted(pixels.width(), pixels.height(), digest);
    }
}
