package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.ImageParameters;
import io.github.zimage.ImageToImage;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects the options that start from a picture, from files to a file and what {@code info} says of it. */
final class ImageToImageOptionsTest {
    @TempDir
    static Path models;

    private static Path model;
    private static Path source;
    private static Path mask;

    @TempDir
    Path folder;

    @BeforeAll
    static void makeFiles() throws IOException {
        model = models.resolve("tiny");
        assertThat(MainTest.run("synth", model.toString(), "--size", "tiny", "--seed", "3")
                        .code())
                .isZero();
        source = image("source.png", 60, 40, 20, 60);
        mask = image("mask.png", 60, 40, 30, 30);
    }

    /** Writes a picture that is white from one column to another and black elsewhere. */
    private static Path image(String name, int width, int height, int from, int columns) throws IOException {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.fillRect(from, 0, columns, height);
        graphics.dispose();
        Path file = models.resolve(name);
        ImageIO.write(image, "png", file.toFile());
        return file;
    }

    private MainTest.Run generate(Path out, Object... options) {
        List<String> args = new ArrayList<>(List.of(
                "generate", "--model", model.toString(), "a fox", "--steps=2", "--seed=4", "--out", out.toString()));
        for (Object option : options) {
            args.add(option.toString());
        }
        return MainTest.run(args.toArray(String[]::new));
    }

    @Test
    void picture_hasTheSizeOfItsSource_andSaysWhatItWasMadeFrom() throws IOException {
        Path out = folder.resolve("edited.png");
        MainTest.Run run =
                generate(out, "--image", source, "--strength=0.4", "--fit=stretch", "--mask", mask, "--mask-mode=soft");
        assertThat(run.code()).as(run.err()).isZero();
        BufferedImage image = ImageIO.read(out.toFile());
        assertThat(List.of(image.getWidth(), image.getHeight())).containsExactly(48, 32);
        ImageToImage imageToImage =
                ImageParameters.read(out).orElseThrow().request().imageToImage();
        assertThat(imageToImage).isNotNull();
        assertThat(imageToImage.strength()).isEqualTo(0.4);
        assertThat(imageToImage.maskMode()).isEqualTo(ImageToImage.MaskMode.SOFT);
        String info = MainTest.run("info", out.toString()).out();
        assertThat(info)
                .contains(
                        "sha256:" + imageToImage.image().sha256(),
                        "sha256:" + imageToImage.mask().sha256());
        assertThat(info).containsPattern("strength +0\\.4").containsPattern("mask mode +soft");
    }

    @Test
    void extendedPicture_andOneWithASizeOfItsOwn() throws IOException {
        Path wide = folder.resolve("wide.png");
        MainTest.Run run = generate(wide, "--image", source, "--extend=left=16,Right=4");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageIO.read(wide.toFile()).getWidth()).isEqualTo(80);
        Path sized = folder.resolve("sized.png");
        assertThat(generate(sized, "--image", source, "--size=64x32").code()).isZero();
        assertThat(ImageIO.read(sized.toFile()).getWidth()).isEqualTo(64);
    }

    @Test
    void partAroundTheMask_isPutBackIntoTheWholePicture() throws IOException {
        Path out = folder.resolve("part.png");
        MainTest.Run run = generate(
                out, "--image", source, "--mask", mask, "--mask-padding=4", "--mask-cells=corner", "--size=32");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageIO.read(out.toFile()).getWidth()).isEqualTo(60);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--strength=0.5|--strength needs --image, the picture to start from",
                "--extend=left=16|--extend needs --image",
                "--image=none.png|the picture none.png cannot be read: it does not exist",
                "--image=SOURCE --extend=up=16|--extend knows left, top, right and bottom, but not up",
                "--image=SOURCE --strength=0|strength must be above 0 and at most 1, but was 0",
                "--image=SOURCE --mask-padding=3|maskPadding needs a mask",
                "--image=SOURCE --fit=crop|Invalid value for option '--fit'",
            })
    void mistakes_areNamed(String options, String message) throws IOException {
        Path out = folder.resolve("no.png");
        MainTest.Run run = generate(
                out, (Object[]) options.replace("SOURCE", source.toString()).split(" "));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains(message);
        assertThat(Files.exists(out)).isFalse();
    }
}
