package io.github.zimage.internal.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects that pictures are read and resized as Pillow does it, to the bit, and that no file ends in anything but a picture or an error that says
 * what is wrong. The files are made by {@code tools/parity/make_preprocessing_fixtures.py}.
 */
final class PictureReaderTest {
    @TempDir
    private static Path folder;

    private static Path fixtures() {
        try {
            return Path.of(Objects.requireNonNull(PictureReaderTest.class.getResource("/pictures"))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static List<JsonNode> files() throws IOException {
        JsonNode about =
                new ObjectMapper().readTree(fixtures().resolve("expected.json").toFile());
        List<JsonNode> files = new ArrayList<>();
        about.get("files").forEach(files::add);
        assertThat(files).hasSizeGreaterThan(30);
        return files;
    }

    @ParameterizedTest
    @MethodSource("files")
    void pixels_areThoseOfPillow(JsonNode file) throws IOException {
        Pixels read = PictureReader.rgb(
                Files.readAllBytes(fixtures().resolve(file.get("file").textValue())));
        assertThat(List.of(read.width(), read.height(), read.bands()))
                .containsExactly(
                        file.get("width").intValue(), file.get("height").intValue(), 3);
        assertThat(digest(read.data())).as("as read").isEqualTo(file.get("rgb").textValue());
        assertThat(file.get("resized").size()).isGreaterThan(2);
        for (JsonNode size : file.get("resized")) {
            int width = size.get("width").intValue();
            int height = size.get("height").intValue();
            Pixels resized = Lanczos.resize(read, width, height);
            assertThat(List.of(resized.width(), resized.height())).containsExactly(width, height);
            assertThat(digest(resized.data()))
                    .as("%d x %d", width, height)
                    .isEqualTo(size.get("rgb").textValue());
            assertThat(digest(resized.grey().data()))
                    .as("%d x %d in grey", width, height)
                    .isEqualTo(size.get("grey").textValue());
        }
    }

    // What programs draw themselves comes as an image, in whatever layout AWT gave it.
    @ParameterizedTest
    @ValueSource(
            ints = {
                BufferedImage.TYPE_INT_RGB,
                BufferedImage.TYPE_INT_ARGB,
                BufferedImage.TYPE_INT_ARGB_PRE,
                BufferedImage.TYPE_3BYTE_BGR,
                BufferedImage.TYPE_4BYTE_ABGR,
                BufferedImage.TYPE_INT_BGR
            })
    void imagesOfAnyLayout_giveTheSamePixels(int type) {
        BufferedImage image = new BufferedImage(3, 2, type);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(new Color(200, 100, 50));
        graphics.fillRect(0, 0, 3, 2);
        graphics.dispose();
        byte[] expected = new byte[18];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = (byte) List.of(200, 100, 50).get(i % 3).intValue();
        }
        assertThat(AwtPixels.rgb(image).data()).isEqualTo(expected);
    }

    @Test
    void greys_areNotMadeLighter() {
        BufferedImage image = new BufferedImage(1, 1, BufferedImage.TYPE_BYTE_GRAY);
        image.getRaster().setSample(0, 0, 0, 100);
        assertThat(AwtPixels.rgb(image).data()).containsExactly(100, 100, 100);
    }

    // Phones tag their pictures with wider colours than sRGB's: unconverted, these would come out pale.
    @Test
    void colours_areConvertedFromAProfileThatIsNotSrgb() throws IOException {
        byte[] plain = png(header(1, 1, 8, 2), new byte[] {0, (byte) 200, 100, 50});
        byte[] pixels = PictureReader.rgb(plain).data();
        assertThat(pixels).containsExactly(200, 100, 50);
        // Linear light: what is meant is lighter than sRGB's numbers say.
        byte[] linear = java.awt.color.ICC_Profile.getInstance(java.awt.color.ColorSpace.CS_LINEAR_RGB)
                .getData();
        byte[] tagged =
                insertedChunk(plain, "iCCP", concat("x\0\0".getBytes(StandardCharsets.ISO_8859_1), deflated(linear)));
        byte[] converted = PictureReader.rgb(tagged).data();
        assertThat(Byte.toUnsignedInt(converted[0])).isBetween(220, 235);
        assertThat(Byte.toUnsignedInt(converted[1])).isBetween(160, 180);
        byte[] srgb = java.awt.color.ICC_Profile.getInstance(java.awt.color.ColorSpace.CS_sRGB)
                .getData();
        byte[] same =
                insertedChunk(plain, "iCCP", concat("x\0\0".getBytes(StandardCharsets.ISO_8859_1), deflated(srgb)));
        assertThat(PictureReader.rgb(same).data()).isEqualTo(pixels);
        byte[] damaged = insertedChunk(
                plain, "iCCP", concat("x\0\0".getBytes(StandardCharsets.ISO_8859_1), deflated(new byte[300])));
        assertThat(PictureReader.rgb(damaged).data()).isEqualTo(pixels);
    }

    @Test
    void otherFiles_areRefusedByWhatTheyBeginWith() {
        refused(
                "%PDF-1.7".getBytes(StandardCharsets.ISO_8859_1),
                "it must be a PNG, JPEG or WebP file, but begins with 25 50 44 46");
        refused(new byte[0], "begins with nothing");
        refused("RIFF....WEBPVP8 \0\0\0\0".getBytes(StandardCharsets.ISO_8859_1), "only with a plugin for ImageIO");
    }

    // Some hundred bytes that stand for gigabytes of pixels.
    @Test
    void hugePictures_areRefusedBeforeTheyAreDecoded() {
        refused(png(header(40_000, 10, 8, 2), new byte[10]), "at most 32768 x 32768 pixels");
        refused(png(header(30_000, 30_000, 8, 2), new byte[10]), "this is 30000 x 30000: make it smaller first");
        refused(png(header(0, 10, 8, 2), new byte[10]), "must have pixels, but this is 0 x 10");
        refused(png(header(-1, 10, 8, 2), new byte[10]), "must have pixels");
    }

    // A text of a kilobyte can unpack to a gigabyte: decoders that keep texts would.
    @Test
    void texts_areNotUnpacked() throws IOException {
        byte[] plain = png(header(1, 1, 8, 2), new byte[] {0, 1, 2, 3});
        byte[] bomb = insertedChunk(
                plain, "zTXt", concat("k\0\0".getBytes(StandardCharsets.ISO_8859_1), deflated(new byte[1 << 20])));
        assertThat(PictureReader.rgb(bomb).data()).containsExactly(1, 2, 3);
        byte[] profile = insertedChunk(
                plain, "iCCP", concat("k\0\0".getBytes(StandardCharsets.ISO_8859_1), deflated(new byte[8 << 20])));
        assertThat(PictureReader.rgb(profile).data()).containsExactly(1, 2, 3);
    }

    @Test
    void jpegWithVeryManyScans_isRefused() throws IOException {
        byte[] file = Files.readAllBytes(fixtures().resolve("jpeg-4.jpg"));
        int scan = indexOfMarker(file, 0xda);
        byte[] one = Arrays.copyOfRange(file, scan, scan + 12);
        ByteArrayOutputStream many = new ByteArrayOutputStream();
        many.write(file, 0, scan);
        for (int i = 0; i < 200; i++) {
            many.write(one);
        }
        many.write(new byte[] {(byte) 0xff, (byte) 0xd9});
        refused(many.toByteArray(), "must have at most 100 scans");
    }

    @Test
    void jpegForPrinters_isRefused() throws IOException {
        byte[] file = Files.readAllBytes(fixtures().resolve("jpeg-1.jpg"));
        file[indexOfMarker(file, 0xc0) + 9] = 4;
        refused(file, "must be in grey or in RGB, but this has 4 channels");
    }

    @ParameterizedTest
    @ValueSource(strings = {"rgb-2.png", "palette.png", "jpeg-0.jpg", "jpeg-5.jpg", "turned-6.jpg"})
    void everyCutOffFile_isRefused(String name) throws IOException {
        byte[] file = Files.readAllBytes(fixtures().resolve(name));
        for (int length = 8; length < file.length - 2; length += Math.max(1, file.length / 150)) {
            byte[] cut = Arrays.copyOf(file, length);
            assertThatThrownBy(() -> PictureReader.rgb(cut)).isInstanceOf(IOException.class);
        }
    }

    // Decoders meet bytes that their authors did not think of; what they throw must not reach users as it is.
    @ParameterizedTest
    @ValueSource(
            strings = {"rgb-2.png", "palette-alpha.png", "rgba-16.png", "jpeg-1.jpg", "jpeg-7.jpg", "turned-3.jpg"})
    void damagedFiles_givePixelsOrAnError(String name) throws IOException {
        byte[] file = Files.readAllBytes(fixtures().resolve(name));
        Random random = new Random(5);
        int refused = 0;
        for (int i = 0; i < 300; i++) {
            byte[] damaged = file.clone();
            for (int j = 0; j < 1 + random.nextInt(4); j++) {
                damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
            }
            try {
                Pixels read = PictureReader.rgb(damaged);
                assertThat(read.data()).hasSize(read.width() * read.height() * 3);
            } catch (IOException e) {
                assertThat(e.getMessage()).isNotBlank();
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    @Test
    void paths_areCheckedBeforeTheyAreRead() throws IOException {
        assertThatThrownBy(() -> PictureReader.bytes(folder.resolve("none.png")))
                .isInstanceOf(IOException.class)
                .hasMessage("it does not exist");
        assertThatThrownBy(() -> PictureReader.bytes(folder)).hasMessage("it is no file");
        Path large = folder.resolve("large.png");
        try (var channel = Files.newByteChannel(
                large, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.WRITE)) {
            channel.position(200L << 20).write(ByteBuffer.wrap(new byte[1]));
        }
        assertThatThrownBy(() -> PictureReader.bytes(large)).hasMessageContaining("at most 128 MiB, but this has 200");
    }

    // ImageIO's own files are read back as they were.
    @Test
    void writtenImages_areReadBack() throws IOException {
        BufferedImage image = new BufferedImage(5, 4, BufferedImage.TYPE_INT_RGB);
        image.setRGB(3, 2, 0x123456);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ImageIO.write(image, "png", out);
        Pixels read = PictureReader.rgb(out.toByteArray());
        assertThat(read.sample(3, 2, 0)).isEqualTo(0x12);
        assertThat(read.sample(3, 2, 2)).isEqualTo(0x56);
        assertThat(read.isSame(AwtPixels.rgb(image))).isTrue();
    }

    private static void refused(byte[] file, String message) {
        assertThatThrownBy(() -> PictureReader.rgb(file))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message);
    }

    private static int indexOfMarker(byte[] file, int marker) {
        for (int i = 2; i + 1 < file.length; i++) {
            if (file[i] == (byte) 0xff && file[i + 1] == (byte) marker) {
                return i;
            }
        }
        throw new AssertionError("no marker " + Integer.toHexString(marker));
    }

    private static byte[] header(int width, int height, int bits, int colour) {
        return ByteBuffer.allocate(13)
                .putInt(width)
                .putInt(height)
                .put((byte) bits)
                .put((byte) colour)
                .array();
    }

    private static byte[] png(byte[] header, byte[] rows) {
        byte[] signature = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
        return concat(signature, chunk("IHDR", header), chunk("IDAT", deflated(rows)), chunk("IEND", new byte[0]));
    }

    private static byte[] insertedChunk(byte[] png, String type, byte[] data) {
        int behindHeader = 8 + 12 + 13;
        return concat(
                Arrays.copyOf(png, behindHeader), chunk(type, data), Arrays.copyOfRange(png, behindHeader, png.length));
    }

    private static byte[] chunk(String type, byte[] data) {
        byte[] named = concat(type.getBytes(StandardCharsets.ISO_8859_1), data);
        CRC32 crc = new CRC32();
        crc.update(named);
        return concat(
                ByteBuffer.allocate(4).putInt(data.length).array(),
                named,
                ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
    }

    private static byte[] deflated(byte[] data) {
        Deflater deflater = new Deflater();
        deflater.setInput(data);
        deflater.finish();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] buffer = new byte[4096];
        while (!deflater.finished()) {
            out.write(buffer, 0, deflater.deflate(buffer));
        }
        deflater.end();
        return out.toByteArray();
    }

    private static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    private static String digest(byte[] data) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
