package io.github.zimage.internal.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

/** Files that another reader reads back. */
final class JpegEncoderTest {
    private static final int SIZE = 48;

    // Red must not become blue, nor the top the bottom: a gradient, so that little is lost.
    @Test
    void pixels_comeBackAsTheyWere() throws IOException {
        byte[] rgb = new byte[SIZE * SIZE * 3];
        for (int y = 0; y < SIZE; y++) {
            for (int x = 0; x < SIZE; x++) {
                rgb[3 * (y * SIZE + x)] = (byte) (5 * y);
                rgb[3 * (y * SIZE + x) + 2] = (byte) (5 * x);
            }
        }
        BufferedImage read = ImageIO.read(new ByteArrayInputStream(JpegEncoder.encode(SIZE, SIZE, rgb, 100)));
        assertThat(read.getWidth()).isEqualTo(SIZE);
        for (int y = 0; y < SIZE; y += 5) {
            for (int x = 0; x < SIZE; x += 5) {
                int pixel = read.getRGB(x, y);
                // Half the resolution of colours: up to the 5 that the neighbour differs by, and as much for rounding.
                assertThat((pixel >> 16 & 0xff) - 5 * y)
                        .as("red at %d, %d", x, y)
                        .isBetween(-10, 10);
                assertThat(pixel >> 8 & 0xff).as("green at %d, %d", x, y).isBetween(0, 10);
                assertThat((pixel & 0xff) - 5 * x).as("blue at %d, %d", x, y).isBetween(-10, 10);
            }
        }
    }

    @Test
    void quality_outsideOfItsRange_isRefused() {
        byte[] rgb = new byte[3];
        assertThat(JpegEncoder.encode(1, 1, rgb, 1)).startsWith(0xff, 0xd8);
        for (int quality : new int[] {0, 101, -1}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> JpegEncoder.encode(1, 1, rgb, quality))
                    .withMessage("quality must be between 1 and 100, but was " + quality);
        }
    }
}
