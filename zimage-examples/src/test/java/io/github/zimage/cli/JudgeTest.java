package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the tests of meaning rest on: the judge names every object in a picture that is known to show it. */
final class JudgeTest {
    private static final Judge JUDGE = new Judge();

    @ParameterizedTest
    @CsvSource({
        "NORMAL, 128, 128",
        "NORMAL, 96, 96",
        "NORMAL, 256, 256",
        "NORMAL, 192, 128",
        "LARGE, 128, 128",
        "SMALL, 128, 128",
        "LEFT_RIGHT, 128, 128",
        "ABOVE_BELOW, 128, 128",
        "LEFT_RIGHT, 192, 128"
    })
    void objectsAndBackgrounds_areNamed(Judge.Layout layout, int width, int height) {
        Random random = new Random(5);
        List<String> names = JUDGE.names();
        int cells = layout == Judge.Layout.LEFT_RIGHT || layout == Judge.Layout.ABOVE_BELOW ? 2 : 1;
        int reach = layout == Judge.Layout.LARGE || cells == 2 ? 0 : 16;
        for (int i = 0; i < names.size(); i += 6) {
            List<String> objects =
                    cells == 1 ? List.of(names.get(i)) : List.of(names.get(i), names.get((i + 31) % names.size()));
            String colour = JUDGE.colours().get(i % JUDGE.colours().size());
            BufferedImage image = JUDGE.paint(
                    objects,
                    colour,
                    layout,
                    width,
                    height,
                    (random.nextInt(3) - 1) * reach,
                    (random.nextInt(3) - 1) * reach);
            addNoise(image, random);

            assertThat(JUDGE.objects(image, layout)).isEqualTo(objects);
            assertThat(JUDGE.background(image)).isEqualTo(colour);
            if (cells == 1) {
                assertThat(JUDGE.size(image)).as(objects.get(0)).isEqualTo(layout);
            }
        }
    }

    @Test
    void likeness_isThatToACleanObject() {
        BufferedImage fox = JUDGE.paint(List.of("fox"), "blue", Judge.Layout.NORMAL, 128, 128, 0, 0);
        assertThat(JUDGE.likeness(fox, Judge.Layout.NORMAL)).isGreaterThan(0.95);

        BufferedImage noise = new BufferedImage(128, 128, BufferedImage.TYPE_INT_RGB);
        addNoise(noise, new Random(1));
        assertThat(JUDGE.likeness(noise, Judge.Layout.NORMAL)).isLessThan(0.3);
        BufferedImage two = JUDGE.paint(List.of("fox", "car"), "blue", Judge.Layout.LEFT_RIGHT, 128, 128, 0, 0);
        assertThat(JUDGE.likeness(two, Judge.Layout.NORMAL)).isLessThan(0.6);
        assertThat(JUDGE.likeness(two, Judge.Layout.LEFT_RIGHT)).isGreaterThan(0.95);
    }

    private static void addNoise(BufferedImage image, Random random) {
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                int pixel = image.getRGB(x, y);
                int noisy = 0;
                for (int shift = 0; shift <= 16; shift += 8) {
                    int value = ((pixel >> shift) & 255) + (int) Math.round(16 * random.nextGaussian());
                    noisy |= Math.max(0, Math.min(255, value)) << shift;
                }
                image.setRGB(x, y, noisy);
            }
        }
    }
}
