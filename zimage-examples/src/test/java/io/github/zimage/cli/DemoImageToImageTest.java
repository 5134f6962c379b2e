package io.github.zimage.cli;

import static io.github.zimage.cli.Judge.Layout.LEFT_RIGHT;
import static io.github.zimage.cli.Judge.Layout.NORMAL;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImagePipeline;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Draws from pictures with the demo model, and looks at what stays and what comes. */
final class DemoImageToImageTest {
    private static final Path MODEL = Path.of("demo-model");
    private static final int SIDE = 128;

    private static final Judge JUDGE = new Judge();
    private static ZImagePipeline pipeline;

    @BeforeAll
    static void open() {
        pipeline = ZImagePipeline.builder().model(MODEL).build();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    private static GenerationRequest.Builder request(String prompt, long seed) {
        return GenerationRequest.builder().prompt(prompt).size(SIDE, SIDE).seed(seed);
    }

    private static BufferedImage draw(String prompt, long seed) {
        return pipeline.generate(request(prompt, seed).build()).toBufferedImage();
    }

    private static GeneratedImage imageToImage(String prompt, ImageToImage imageToImage) {
        return pipeline.generate(request(prompt, 5).imageToImage(imageToImage).build());
    }

    /** Returns a picture moved to the right, with its own background behind it. */
    private static BufferedImage moved(BufferedImage image, int pixels) {
        BufferedImage moved = new BufferedImage(SIDE, SIDE, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = moved.createGraphics();
        graphics.setColor(new Color(image.getRGB(2, 2)));
        graphics.fillRect(0, 0, SIDE, SIDE);
        graphics.drawImage(image, pixels, 0, null); // what it leaves free keeps the background
        graphics.dispose();
        return moved;
    }

    /** Returns how far to the right what is not background lies, in pixels from the middle. */
    private static double place(BufferedImage image) {
        Color background = new Color(image.getRGB(2, 2));
        double sum = 0;
        int count = 0;
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                Color here = new Color(image.getRGB(x, y));
                int difference = Math.abs(here.getRed() - background.getRed())
                        + Math.abs(here.getGreen() - background.getGreen())
                        + Math.abs(here.getBlue() - background.getBlue());
                if (difference > 90) {
                    sum += x - SIDE / 2.0;
                    count++;
                }
            }
        }
        assertThat(count).as("pixels that are not background").isGreaterThan(300);
        return sum / count;
    }

    // The same thing 32 pixels apart: what is left of that says how much of the place is the picture's. Where the model
    // itself puts it depends on the seed.
    @ParameterizedTest
    @ValueSource(strings = {"a small fox on a yellow background", "蓝色背景上的小小的熊猫"})
    void halfStrength_keepsThePlace_fullStrengthDoesNot(String prompt) {
        BufferedImage source = draw(prompt, 1);
        assertThat(apart(prompt, source, 0.5)).isBetween(24.0, 40.0);
        assertThat(apart(prompt, source, 1)).isBetween(-4.0, 4.0);
    }

    /** Returns how far apart things are drawn that are 32 pixels apart in the pictures. */
    private static double apart(String prompt, BufferedImage source, double strength) {
        double left = place(imageToImage(
                        prompt,
                        ImageToImage.of(SourceImage.of(moved(source, -16))).strength(strength))
                .toBufferedImage());
        double right = place(imageToImage(
                        prompt,
                        ImageToImage.of(SourceImage.of(moved(source, 16))).strength(strength))
                .toBufferedImage());
        return right - left;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a cat on the left and a dog on the right, blue background|a cat on the left and a tree on the right, blue background|cat|dog|tree",
                "左边是狐狸，右边是狗，绿色背景|左边是狐狸，右边是苹果，绿色背景|fox|dog|apple"
            })
    void inpaintedHalf_showsAnotherObject_andTheOtherHalfStays(
            String prompt, String other, String left, String right, String painted) {
        BufferedImage source = draw(prompt, 1);
        assertThat(JUDGE.objects(source, LEFT_RIGHT)).containsExactly(left, right);
        BufferedImage mask = new BufferedImage(SIDE, SIDE, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = mask.createGraphics();
        graphics.fillRect(SIDE / 2, 0, SIDE / 2, SIDE);
        graphics.dispose();
        BufferedImage result = imageToImage(
                        other, ImageToImage.of(SourceImage.of(source)).mask(SourceImage.of(mask)))
                .toBufferedImage();
        assertThat(JUDGE.objects(result, LEFT_RIGHT)).containsExactly(left, painted);
        for (int i = 0; i < SIDE * SIDE / 2; i++) {
            int x = i % (SIDE / 2);
            int y = i / (SIDE / 2);
            assertThat(result.getRGB(x, y)).isEqualTo(source.getRGB(x, y));
        }
    }

    @Test
    void extendedPicture_keepsTheObject_andGoesOnWithTheBackground() {
        BufferedImage source = draw("a fox on a yellow background", 1);
        GeneratedImage image = pipeline.generate(GenerationRequest.builder()
                .prompt("a fox on a yellow background")
                .seed(3)
                .imageToImage(ImageToImage.of(SourceImage.of(source)).extend(0, 0, 32, 0))
                .build());
        assertThat(image.width()).isEqualTo(160);
        BufferedImage kept = image.toBufferedImage().getSubimage(0, 0, SIDE, SIDE);
        assertThat(JUDGE.objects(kept, NORMAL)).containsExactly("fox");
        assertThat(JUDGE.background(image.toBufferedImage())).isEqualTo("yellow");
    }
}
