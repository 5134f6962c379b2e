package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Lora;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.cli.Judge.Layout;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Protects that LoRAs do what they were trained for: draws with two that were trained for the demo model and looks at what the pictures show. In
 * one the strength is alpha in the header, in the other a tensor: with half or twice as much neither draws what it should.
 */
final class LoraPicturesTest {
    private static final Lora DRAGON = lora("dragon");
    private static final Lora OUTLINE = lora("outline");
    private static final int COUNT = 12;

    private static Judge judge;
    private static ZImagePipeline pipeline;

    private static Path resource(String name) {
        try {
            return Path.of(Objects.requireNonNull(LoraPicturesTest.class.getResource("/lora/" + name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Lora lora(String name) {
        return Lora.of(resource(name + ".safetensors")).strict();
    }

    @BeforeAll
    static void open() throws IOException {
        judge = new Judge().with("dragon", ImageIO.read(resource("dragon.png").toFile()));
        pipeline = ZImagePipeline.builder().model(Path.of("demo-model")).build();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    private static List<BufferedImage> draw(String prompt, Lora... loras) {
        return pipeline
                .generateAll(GenerationRequest.builder()
                        .prompt(prompt)
                        .size(128, 128)
                        .count(COUNT)
                        .seed(1)
                        .loras(List.of(loras))
                        .build())
                .stream()
                .map(GeneratedImage::toBufferedImage)
                .toList();
    }

    private static long showing(String object, List<BufferedImage> images) {
        return images.stream()
                .filter(image -> judge.objects(image, Layout.NORMAL).equals(List.of(object)))
                .count();
    }

    // Where it was trained, 48 of 48 were dragons at weight 1, a third at 0.8, and none at 0.5.
    @Test
    void anObjectThatTheModelDoesNotKnow_isDrawnAtWeight1() {
        String prompt = "a dragon on a yellow background";
        List<BufferedImage> with = draw(prompt, DRAGON);
        assertThat(showing("dragon", with)).isGreaterThanOrEqualTo(COUNT - 1);
        assertThat(with).allSatisfy(image -> assertThat(judge.background(image)).isEqualTo("yellow"));
        assertThat(showing("dragon", draw(prompt))).isZero();
        assertThat(showing("dragon", draw(prompt, DRAGON.weight(0)))).isZero();
        assertThat(showing("dragon", draw(prompt, DRAGON.weight(0.5)))).isLessThan(COUNT / 2);
    }

    @Test
    void whatTheModelKnows_isDrawnWithTheLoraToo() {
        assertThat(showing("apple", draw("a red apple, blue background", DRAGON)))
                .isGreaterThanOrEqualTo(COUNT - 2);
    }

    // Outlines are dark lines on a background of one colour: a pixel is a mixture of both, wherever it is.
    @Test
    void aStyle_isSeenAtWeight1_andHalfOfItAtHalf() {
        String prompt = "a red apple on a yellow background";
        double base = filled(draw(prompt));
        double half = filled(draw(prompt, OUTLINE.weight(0.5)));
        double whole = filled(draw(prompt, OUTLINE));
        assertThat(showing("apple", draw(prompt))).isGreaterThanOrEqualTo(COUNT - 1);
        assertThat(filled(draw(prompt, OUTLINE.weight(0)))).isEqualTo(base);
        assertThat(whole).as("of %s without", base).isLessThan(0.25 * base);
        assertThat(half).as("between %s and %s", whole, base).isBetween(1.3 * whole, 0.9 * base);
    }

    /** Returns how much of the pictures is neither background nor ink nor between both, from 0 to 1. */
    private static double filled(List<BufferedImage> images) {
        long others = 0;
        long all = 0;
        for (BufferedImage image : images) {
            int background = image.getRGB(2, 2);
            for (int y = 0; y < image.getHeight(); y++) {
                for (int x = 0; x < image.getWidth(); x++) {
                    others += fromMixture(image.getRGB(x, y), background) > 40 ? 1 : 0;
                    all++;
                }
            }
        }
        return (double) others / all;
    }

    /** Returns how far a colour lies from the line between the background and ink, in levels of 255. */
    private static double fromMixture(int pixel, int background) {
        double dot = 0;
        double length = 0;
        double square = 0;
        for (int shift = 0; shift <= 16; shift += 8) {
            double ink = 24;
            double direction = (background >> shift & 255) - ink;
            double own = (pixel >> shift & 255) - ink;
            dot += direction * own;
            length += direction * direction;
            square += own * own;
        }
        double along = Math.max(0, Math.min(1, dot / length));
        return Math.sqrt(Math.max(0, square - 2 * along * dot + along * along * length));
    }
}
