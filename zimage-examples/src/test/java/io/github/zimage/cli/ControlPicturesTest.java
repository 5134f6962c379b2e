package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationRequest;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.control.ControlImage;
import java.awt.image.BufferedImage;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Protects that a ControlNet does what it was trained for: one for the demo model lets pictures of other seeds lie where a picture's outlines are. */
final class ControlPicturesTest {
    private static ZImagePipeline pipeline;

    @BeforeAll
    static void open() throws URISyntaxException {
        Path file =
                Path.of(Objects.requireNonNull(ControlPicturesTest.class.getResource("/controlnet/outline.safetensors"))
                        .toURI());
        pipeline = ZImagePipeline.builder()
                .model(Path.of("demo-model"))
                .controlNet(file)
                .build();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    private static BufferedImage draw(String prompt, long seed, ControlImage... controls) {
        return pipeline.generateAll(GenerationRequest.builder()
                        .prompt(prompt)
                        .size(128, 128)
                        .seed(seed)
                        .controls(List.of(controls))
                        .build())
                .get(0)
                .toBufferedImage();
    }

    /** Returns how much of both pictures' objects, what is not of the colour of the corner, they have in common, from 0 to 1. */
    private static double overlap(BufferedImage a, BufferedImage b) {
        int both = 0;
        int any = 0;
        for (int i = 0; i < 128 * 128; i++) {
            boolean first = isObject(a, i % 128, i / 128);
            boolean second = isObject(b, i % 128, i / 128);
            both += first && second ? 1 : 0;
            any += first || second ? 1 : 0;
        }
        return any == 0 ? 0 : (double) both / any;
    }

    private static boolean isObject(BufferedImage image, int x, int y) {
        int difference = 0;
        for (int shift = 0; shift <= 16; shift += 8) {
            difference += Math.abs((image.getRGB(x, y) >> shift & 255) - (image.getRGB(2, 2) >> shift & 255));
        }
        return difference > 90;
    }

    // Where it was trained, outlines of unseen scenes overlapped by 0.81; the areas within them do by more.
    @Test
    void pictures_lieWhereTheOutlinesAre() {
        double followed = 0;
        double without = 0;
        List<String> prompts = List.of(
                "a small apple on a blue background",
                "a small fox on a yellow background",
                "a small car on a green background",
                "a small guitar on a pink background");
        for (int i = 0; i < prompts.size(); i++) {
            BufferedImage source = draw(prompts.get(i), 100 + i);
            ControlImage control = ControlImage.of(SourceImage.of(source))
                    .type(ControlImage.Type.CANNY)
                    .scale(1);
            followed += overlap(source, draw(prompts.get(i), i, control)) / prompts.size();
            without += overlap(source, draw(prompts.get(i), i)) / prompts.size();
        }
        assertThat(followed).as("beside %s without", without).isGreaterThan(0.7);
        assertThat(without).isLessThan(followed - 0.1);
    }

    @Test
    void scale0_isTheBaseToTheBit() {
        ControlImage control = ControlImage.of(SourceImage.of(draw("an apple", 1)));
        assertThat(pixels(draw("a fox on red", 5, control.scale(0)))).isEqualTo(pixels(draw("a fox on red", 5)));
        assertThat(pixels(draw("a fox on red", 5, control.scale(1)))).isNotEqualTo(pixels(draw("a fox on red", 5)));
    }

    private static int[] pixels(BufferedImage image) {
        return image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
    }
}
