package io.github.zimage.internal.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ForkJoinPool;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that every picture comes back to the bit, whatever its size and wherever its strips end. */
class PngEncoderTest {
    // One pixel, rows longer than a strip, exactly one strip, one row more, and many.
    @ParameterizedTest
    @CsvSource({"1, 1", "1, 3000", "90000, 3", "85, 1024", "85, 1025", "16, 16", "1024, 1024", "333, 777"})
    void picture_comesBack(int width, int height) throws IOException {
        for (int kind = 0; kind < 4; kind++) {
            byte[] rgb = picture(kind, width, height, new Random(kind));
            assertThat(readBack(PngEncoder.encode(width, height, rgb, Map.of())))
                    .as("kind %d", kind)
                    .isEqualTo(rgb);
        }
    }

    @Test
    void picturesOfAnySize_comeBack() throws IOException {
        Random random = new Random(11);
        for (int i = 0; i < 200; i++) {
            int width = 1 + random.nextInt(600);
            int height = 1 + random.nextInt(600);
            byte[] rgb = picture(i % 4, width, height, random);
            assertThat(readBack(PngEncoder.encode(width, height, rgb, Map.of())))
                    .as("%d x %d", width, height)
                    .isEqualTo(rgb);
        }
    }

    // A file that depends on the machine could not be compared, nor cached by its content.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7})
    void file_isTheSameOnAnyNumberOfProcessors(int processors) throws Exception {
        byte[] rgb = picture(2, 700, 900, new Random(1));
        Callable<byte[]> encoding = () -> PngEncoder.encode(700, 900, rgb, Map.of("a", "b"));
        ForkJoinPool pool = new ForkJoinPool(processors);
        try {
            assertThat(pool.submit(encoding).get()).isEqualTo(encoding.call());
        } finally {
            pool.shutdown();
        }
    }

    // Strips and the fastest packing cost little, on what cannot be packed too.
    @ParameterizedTest
    @CsvSource({"0, 512", "2, 512", "3, 512", "0, 1024", "2, 1024", "3, 1024"})
    void file_isSmall(int kind, int size) throws IOException {
        byte[] rgb = picture(kind, size, size, new Random(5));
        BufferedImage image = AwtImage.of(size, size, rgb);
        ByteArrayOutputStream jdk = new ByteArrayOutputStream();
        ImageIO.write(image, "png", jdk);
        assertThat((double) PngEncoder.encode(size, size, rgb, Map.of()).length / jdk.size())
                .isLessThan(1.15);
    }

    // ImageIO's file is a fifth of it then, but either is next to nothing: a strip needs some hundred bytes.
    @ParameterizedTest
    @ValueSource(ints = {512, 1024})
    void file_ofOneColour_isAHundredthOfThePixels(int size) {
        byte[] rgb = picture(1, size, size, new Random(5));
        assertThat(PngEncoder.encode(size, size, rgb, Map.of()).length).isLessThan(rgb.length / 100);
    }

    private static byte[] readBack(byte[] png) throws IOException {
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
        byte[] rgb = new byte[image.getWidth() * image.getHeight() * 3];
        int at = 0;
        for (int y = 0; y < image.getHeight(); y++) {
            for (int pixel : image.getRGB(0, y, image.getWidth(), 1, null, 0, image.getWidth())) {
                rgb[at++] = (byte) (pixel >> 16);
                rgb[at++] = (byte) (pixel >> 8);
                rgb[at++] = (byte) pixel;
            }
        }
        return rgb;
    }

    /** Noise, one colour, or soft shapes with and without grain. */
    private static byte[] picture(int kind, int width, int height, Random random) {
        byte[] rgb = new byte[width * height * 3];
        if (kind == 0) {
            random.nextBytes(rgb);
        } else if (kind > 1) {
            for (int i = 0; i < rgb.length; i++) {
                int x = i / 3 % width;
                int y = i / 3 / width;
                double shape = 90 * Math.sin(x / 31.0 + i % 3) + 30 * Math.cos(y / 17.0) + (x + y > 400 ? 40 : 0);
                rgb[i] = (byte) (128 + 0.6 * shape + (kind == 3 ? random.nextGaussian() * 3 : 0));
            }
        }
        return rgb;
    }
}
