package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.image.PngEncoder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Map;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

final class OutputFormatTest {
    private static final int SIZE = 32;

    // What is called JPEG must be one, in the quality that was asked for.
    @Test
    void jpeg_isMadeOfThePng_inItsQuality() throws IOException {
        byte[] rgb = new byte[SIZE * SIZE * 3];
        new Random(1).nextBytes(rgb);
        byte[] png = PngEncoder.encode(SIZE, SIZE, rgb, Map.of("parameters", "a secret prompt"));
        byte[] fine = new OutputFormat("jpeg", 100).encoded(png);
        byte[] coarse = new OutputFormat("jpeg", 1).encoded(png);
        assertThat(fine).startsWith(0xff, 0xd8, 0xff);
        assertThat(coarse).startsWith(0xff, 0xd8, 0xff).hasSizeLessThan(fine.length / 2);
        assertThat(ImageIO.read(new ByteArrayInputStream(fine)).getWidth()).isEqualTo(SIZE);
        assertThat(new OutputFormat("png", 100).encoded(png)).isEqualTo(png);
    }
}
