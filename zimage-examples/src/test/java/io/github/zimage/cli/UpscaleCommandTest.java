package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.ImageParameters;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that pictures are enlarged by the command, alone and while they are drawn, and that {@code info} tells of it. */
final class UpscaleCommandTest {
    private static final Path UPSCALERS = Path.of("../zimage-core/src/test/resources/upscalers");
    private static final String FOUR = UPSCALERS.resolve("basicsr-x4-ema.pth").toString();

    @TempDir
    static Path models;

    private static Path model;

    @TempDir
    Path folder;

    @BeforeAll
    static void makeModel() {
        model = models.resolve("tiny");
        assertThat(MainTest.run("synth", model.toString(), "--size", "tiny", "--seed", "3")
                        .code())
                .isZero();
    }

    @Test
    void files_areEnlargedWithoutACheckpoint() throws IOException {
        Path small = folder.resolve("small.jpg");
        ImageIO.write(new BufferedImage(20, 12, BufferedImage.TYPE_INT_RGB), "jpg", small.toFile());
        Path large = folder.resolve("large.png");
        MainTest.Run run = MainTest.run("upscale", small.toString(), "--upscaler", FOUR, "--out", large.toString());
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("large.png: 4 times as wide and high, by basicsr-x4-ema, in ");
        BufferedImage image = ImageIO.read(large.toFile());
        assertThat(image.getWidth()).isEqualTo(80);
        assertThat(image.getHeight()).isEqualTo(48);
        assertThat(MainTest.run("info", large.toString()).out()).contains("Postprocess upscaler: basicsr-x4-ema");
    }

    @Test
    void drawnPictures_areEnlarged_andSayByWhat() throws IOException {
        Path out = folder.resolve("fox.png");
        MainTest.Run run = MainTest.run(
                "generate",
                "--model",
                model.toString(),
                "a fox",
                "--size=64",
                "--steps=1",
                "--upscaler",
                FOUR,
                "--out",
                out.toString());
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageIO.read(out.toFile()).getWidth()).isEqualTo(256);
        assertThat(ImageParameters.read(out).orElseThrow().request().upscaler().name())
                .isEqualTo("basicsr-x4-ema");
        assertThat(MainTest.run("info", out.toString()).out())
                .contains("size               64 x 64", "upscaler           basicsr-x4-ema@sha256:");
    }

    @Test
    void info_saysWhatAnUpscalerIs() {
        assertThat(MainTest.run("info", FOUR).out()).contains("basicsr-x4-ema", "4 times as wide and high", "SHA-256");
        assertThat(MainTest.run(
                                "info",
                                UPSCALERS.resolve("esrgan-2018-x4.safetensors").toString())
                        .out())
                .contains("esrgan-2018-x4", "4 times as wide and high");
    }

    @Test
    void otherFiles_areRefused_andNothingIsWritten() throws IOException {
        Path small = folder.resolve("small.png");
        ImageIO.write(new BufferedImage(8, 8, BufferedImage.TYPE_INT_RGB), "png", small.toFile());
        Path text = Files.writeString(folder.resolve("text.pth"), "no network");
        Path out = folder.resolve("out.png");
        MainTest.Run noNetwork =
                MainTest.run("upscale", small.toString(), "--upscaler", text.toString(), "--out", out.toString());
        assertThat(noNetwork.code()).isNotZero();
        assertThat(noNetwork.err()).contains("text.pth: is no sound PyTorch file");
        MainTest.Run noPicture = MainTest.run("upscale", text.toString(), "--upscaler", FOUR, "--out", out.toString());
        assertThat(noPicture.code()).isNotZero();
        assertThat(noPicture.err()).contains("text.pth");
        assertThat(out).doesNotExist();
    }
}
