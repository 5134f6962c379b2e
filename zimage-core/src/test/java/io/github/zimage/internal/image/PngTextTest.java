package io.github.zimage.internal.image;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import io.github.zimage.ImageParameters;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.request.PictureTextTest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PngTextTest {
    private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    private static final byte[] HEADER = chunk(
            "IHDR",
            ByteBuffer.allocate(13)
                    .putInt(Integer.MAX_VALUE)
                    .putInt(Integer.MAX_VALUE)
                    .array());
    private static final byte[] END = chunk("IEND");

    @TempDir
    Path folder;

    // Programs that write the parameters differ in the kind of chunk they choose.
    @Test
    void read_allKindsOfText() throws IOException {
        assertThat(parameters(chunk("tEXt", latin("parameters\0caf\u00e9")))).isEqualTo("caf\u00e9");
        assertThat(parameters(chunk("zTXt", latin("parameters\0\0"), deflated(latin("caf\u00e9"), 0))))
                .isEqualTo("caf\u00e9");
        assertThat(parameters(chunk("iTXt", latin("parameters\0\0\0zh\0x\0"), "狐 🦊".getBytes(UTF_8))))
                .isEqualTo("狐 🦊");
        assertThat(parameters(chunk("iTXt", latin("parameters\0\1\0\0\0"), deflated("狐 🦊".getBytes(UTF_8), 0))))
                .isEqualTo("狐 🦊");
        assertThat(parameters(chunk("tEXt", latin("parameters\0")))).isEmpty();
    }

    @Test
    void read_takesOnlyWhatWasAskedFor_andTheFirstOfTwo() throws IOException {
        Path file = png(
                chunk("tEXt", latin("prompt\0comfy")),
                chunk("tEXt", latin("parameters\0one")),
                chunk("IDAT", new byte[1000]),
                chunk("tEXt", latin("parameters\0two")));
        assertThat(PngText.read(file, Set.of("parameters", "zimage"))).isEqualTo(Map.of("parameters", "one"));
    }

    // A packed text of a kilobyte may unpack to a gigabyte.
    @Test
    void read_refusesABomb() throws IOException {
        byte[] bomb = deflated(new byte[0], 300 << 20);
        assertThat(bomb.length).isLessThan(1 << 20);
        Path file = png(chunk("zTXt", latin("parameters\0\0"), bomb));
        assertTimeout(Duration.ofSeconds(2), () -> assertRefused(file, "longer than"));
        Path twice = png(chunk("iTXt", latin("zimage\0\1\0\0\0"), bomb));
        assertThatThrownBy(() -> ImageParameters.read(twice)).isInstanceOf(ZImageException.class);
    }

    @Test
    void read_refusesATextThatIsTooLong_butSkipsOthers() throws IOException {
        byte[] big = new byte[PngText.MAX_TEXT_BYTES + 1];
        assertRefused(png(chunk("tEXt", latin("parameters\0"), big)), "longer than");
        assertThat(PngText.read(png(chunk("tEXt", latin("workflow\0"), big)), Set.of("parameters")))
                .isEmpty();
    }

    @Test
    void read_refusesDamagedFiles() throws IOException {
        byte[] text = chunk("tEXt", latin("parameters\0fox"));
        byte[] wrongChecksum = text.clone();
        wrongChecksum[wrongChecksum.length - 1]++;
        assertRefused(png(wrongChecksum), "checksum");
        assertRefused(file(join(SIGNATURE, HEADER)), "cut off");
        assertRefused(file(join(SIGNATURE, END)), "header");
        assertRefused(file(join(SIGNATURE, HEADER, Arrays.copyOf(text, 20))), "no whole chunk");
        assertRefused(png(chunk("tEX1", new byte[4])), "no whole chunk");
        assertRefused(png(chunk("tEXt", latin("parameters"))), "cut off");
        assertRefused(png(chunk("iTXt", latin("parameters\0"))), "cut off");
        assertRefused(png(chunk("iTXt", latin("parameters\0\0\0en"))), "cut off");
        assertRefused(png(chunk("iTXt", latin("parameters\0\1\7\0\0"))), "unknown way");
        assertRefused(png(chunk("zTXt", latin("parameters\0"))), "unknown way");
        assertRefused(png(chunk("zTXt", latin("parameters\0\0fox"))), "unpacked");
        byte[] whole = deflated(latin("fox fox fox fox"), 0);
        assertRefused(png(chunk("zTXt", latin("parameters\0\0"), Arrays.copyOf(whole, whole.length - 6))), "cut off");
        for (int length : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 1 << 24}) {
            byte[] giant = text.clone();
            ByteBuffer.wrap(giant).putInt(length);
            assertRefused(png(giant), "no whole chunk");
        }
    }

    @Test
    void read_refusesWhatIsNoPng() throws IOException {
        assertRefused(file(new byte[0]), "is not a PNG file");
        assertRefused(file(latin("GIF89a, and more")), "is not a PNG file");
        assertRefused(file(SIGNATURE), "cut off");
        assertThatThrownBy(() -> ImageParameters.read(folder))
                .isInstanceOf(ZImageException.class)
                .hasMessageContaining("is not a file");
        assertThatThrownBy(() -> ImageParameters.read(folder.resolve("missing.png")))
                .isInstanceOf(ZImageException.class)
                .hasMessageContaining("does not exist");
    }

    // Whatever a file holds, reading it ends soon, in an answer or in our own exception.
    @Test
    void read_survivesMutations() throws IOException {
        byte[] json = PictureTextTest.toJson(PictureTextTest.TURBO).getBytes(UTF_8);
        byte[] good = join(
                SIGNATURE,
                HEADER,
                chunk("iTXt", latin("zimage\0\0\0\0\0"), json),
                chunk("iTXt", latin("parameters\0\1\0\0\0"), deflated(json, 0)),
                chunk("zTXt", latin("parameters\0\0"), deflated(json, 0)),
                chunk("IDAT", new byte[30]),
                END);
        assertThat(ImageParameters.read(file(good))).contains(PictureTextTest.TURBO);
        long seed = 20261123;
        Random random = new Random(seed);
        int read = 0;
        for (int i = 0; i < 3000; i++) {
            byte[] bad = mutate(good, random);
            if (random.nextInt(4) > 0) {
                repairChecksums(bad);
            }
            Path file = file(bad);
            try {
                ImageParameters.read(file);
                ImageParameters.readText(file);
                read++;
            } catch (ZImageException expected) {
                assertThat(expected.getMessage()).startsWith(file.toString());
            } catch (RuntimeException | Error e) {
                throw new AssertionError("input %d of seed %d".formatted(i, seed), e);
            }
        }
        // Inputs that all fail at the first byte would test nothing.
        assertThat(read).isBetween(300, 2700);
    }

    private static byte[] mutate(byte[] good, Random random) {
        byte[] bad = good.clone();
        for (int edits = 1 + random.nextInt(2); edits > 0; edits--) {
            int at = random.nextInt(bad.length);
            switch (random.nextInt(5)) {
                case 0 -> bad[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bad[at] = (byte) random.nextInt();
                case 2 -> bad = Arrays.copyOf(bad, Math.max(1, at));
                case 3 -> {
                    if (at + 4 <= bad.length) {
                        int[] lengths = {0, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, random.nextInt(300)};
                        ByteBuffer.wrap(bad).putInt(at, lengths[random.nextInt(lengths.length)]);
                    }
                }
                default -> {
                    int count = random.nextInt(bad.length - at);
                    byte[] copy = Arrays.copyOfRange(bad, at, at + count);
                    bad = join(Arrays.copyOf(bad, at), copy, Arrays.copyOfRange(bad, at, bad.length));
                }
            }
        }
        return bad;
    }

    /** Without this, nearly all mutations would end at the first checksum. */
    private static void repairChecksums(byte[] png) {
        ByteBuffer bytes = ByteBuffer.wrap(png);
        long at = SIGNATURE.length;
        while (at + 12 <= png.length) {
            int length = bytes.getInt((int) at);
            if (length < 0 || length > png.length - at - 12) {
                return;
            }
            CRC32 crc = new CRC32();
            crc.update(png, (int) at + 4, length + 4);
            bytes.putInt((int) at + 8 + length, (int) crc.getValue());
            at += 12L + length;
        }
    }

    private static void assertRefused(Path file, String why) {
        assertThatThrownBy(() -> PngText.read(file, Set.of("parameters")))
                .isInstanceOf(ZImageException.class)
                .hasMessageStartingWith(file.toString())
                .hasMessageContaining(why);
    }

    private String parameters(byte[] chunk) throws IOException {
        return PngText.read(png(chunk), Set.of("parameters")).get("parameters");
    }

    private Path png(byte[]... chunks) throws IOException {
        return file(join(SIGNATURE, HEADER, join(chunks), END));
    }

    private Path file(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("test.png"), bytes);
    }

    private static byte[] chunk(String type, byte[]... data) {
        byte[] body = join(latin(type), join(data));
        CRC32 crc = new CRC32();
        crc.update(body);
        return ByteBuffer.allocate(body.length + 8)
                .putInt(body.length - 4)
                .put(body)
                .putInt((int) crc.getValue())
                .array();
    }

    private static byte[] deflated(byte[] data, int zeros) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DeflaterOutputStream out = new DeflaterOutputStream(bytes, new Deflater(Deflater.BEST_COMPRESSION))) {
            out.write(data);
            for (int left = zeros; left > 0; left -= 1 << 16) {
                out.write(new byte[1 << 16]);
            }
        }
        return bytes.toByteArray();
    }

    private static byte[] latin(String text) {
        return text.getBytes(ISO_8859_1);
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            bytes.writeBytes(part);
        }
        return bytes.toByteArray();
    }
}
