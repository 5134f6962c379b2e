package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ImageToImage.Fit;
import io.github.zimage.ImageToImage.MaskCells;
import io.github.zimage.ImageToImage.MaskMode;
import io.github.zimage.ImageToImage.StrengthMode;
import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects what users say of a picture to start from: its values, their way into files and back, and what comes out of the pipeline. */
final class ImageToImageTest {
    @TempDir
    static Path folder;

    private static ZImagePipeline pipeline;

    @BeforeAll
    static void load() {
        pipeline = TinyModel.pipeline(folder).build();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    /** What is kept of schedules counts as native memory. */
    @AfterEach
    void forget() {
        pipeline.trim();
    }

    private static SourceImage picture(int width, int height) {
        Random random = new Random(9);
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < width * height; i++) {
            image.setRGB(i % width, i / width, random.nextInt(1 << 24));
        }
        return SourceImage.of(image);
    }

    private static SourceImage mask(int width, int height, int x, int y, int side) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < side * side; i++) {
            image.setRGB(x + i % side, y + i / side, 0xffffff);
        }
        return SourceImage.of(image);
    }

    private static GenerationRequest.Builder request(ImageToImage imageToImage) {
        return GenerationRequest.builder()
                .prompt("a red fox in the snow")
                .steps(2)
                .seed(7)
                .imageToImage(imageToImage);
    }

    @Test
    void allValues_surviveJson_withPicturesByTheirDigests() {
        ImageToImage imageToImage = ImageToImage.of(picture(64, 48))
                .strength(0.35)
                .strengthMode(StrengthMode.STEPPED)
                .fit(Fit.CONTAIN)
                .mask(mask(64, 48, 3, 4, 5))
                .maskMode(MaskMode.SOFT)
                .maskCells(MaskCells.CORNER)
                .maskPadding(24)
                .extend(16, 0, 32, 0);
        GenerationRequest request = request(imageToImage).size(128, 64).build();
        String json = request.toJson();
        assertThat(json)
                .contains("\"image\":\"sha256:" + imageToImage.image().sha256() + "\"", "\"strengthMode\":\"stepped\"")
                .contains("\"extend\":[16,0,32,0]", "\"maskPadding\":24");
        GenerationRequest read = GenerationRequest.fromJson(json);
        assertThat(read).isEqualTo(request).hasSameHashCodeAs(request);
        assertThat(read.imageToImage()).isEqualTo(imageToImage);
        assertThat(read.imageToImage().image().isPresent()).isFalse();
        assertThatThrownBy(() -> pipeline.check(read))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("the image is known by its digest "
                        + imageToImage.image().sha256().substring(0, 12))
                .hasMessageContaining("the mask is known by its digest");
        GenerationRequest whole = read.toBuilder()
                .imageToImage(known -> known.image(imageToImage.image()).mask(imageToImage.mask()))
                .build();
        pipeline.check(whole);
    }

    @Test
    void whatIsNotSaid_isNotWritten() {
        String json = request(ImageToImage.of(picture(32, 32))).build().toJson();
        assertThat(json).doesNotContain("strength", "fit", "mask", "extend");
        assertThat(json).contains("\"width\":32,\"height\":32");
    }

    @ParameterizedTest
    @CsvSource({
        "0, 'strength must be above 0 and at most 1, but was 0'",
        "1.5, 'strength must be above 0 and at most 1, but was 1.5'",
        "NaN, 'strength must be above 0 and at most 1, but was NaN'"
    })
    void strengthOutOfRange_isRefused(double strength, String message) {
        assertThatThrownBy(() -> request(ImageToImage.of(picture(32, 32)).strength(strength))
                        .build())
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining(message);
    }

    @Test
    void contradictions_areNamedTogether() {
        Latents latents = Latents.of(16, 4, 4, new float[256]);
        assertThatThrownBy(() -> request(ImageToImage.of(picture(32, 32))
                                .maskPadding(5000)
                                .extend(-1, 0, 0, 0))
                        .latents(List.of(latents))
                        .build())
                .hasMessageContaining("maskPadding must be between 0 and 4096 pixels, but was 5000")
                .hasMessageContaining("extend must be four numbers of pixels")
                .hasMessageContaining("only one of latents and an image");
        assertThatThrownBy(() -> GenerationRequest.fromJson("{\"prompt\":\"x\",\"strength\":0.5}"))
                .hasMessageContaining("image-to-image must have an image to start from, but had none");
        assertThatThrownBy(() -> GenerationRequest.fromJson("{\"prompt\":\"x\",\"image\":\"fox.png\"}"))
                .hasMessageContaining("image must be a picture's digest, sha256: and 64 hexadecimal digits");
        assertThatThrownBy(() -> GenerationRequest.fromJson("{\"prompt\":\"x\",\"fit\":\"crop\"}"))
                .hasMessageContaining("fit must be one of stretch, cover, contain, but was \"crop\"");
        assertThatThrownBy(() ->
                        request(ImageToImage.of(picture(32, 32)).maskPadding(8)).build())
                .hasMessageContaining("maskPadding needs a mask");
    }

    @ParameterizedTest
    @CsvSource({"100, 70, 96, 64", "8, 8, 16, 16", "64, 48, 64, 48", "4000, 3000, 1760, 1328"})
    void size_isThePicturesUnlessAnotherIsSet(int width, int height, int drawnWidth, int drawnHeight) {
        GenerationRequest request =
                request(ImageToImage.of(picture(width, height))).build();
        assertThat(List.of(request.width(), request.height())).containsExactly(drawnWidth, drawnHeight);
        assertThat(request.toBuilder().width(256).build().width()).isEqualTo(256);
    }

    @Test
    void pixelsOutsideTheMask_areThePicturesToTheByte() {
        SourceImage source = picture(64, 48);
        GeneratedImage image = pipeline.generate(
                request(ImageToImage.of(source).mask(mask(64, 48, 16, 8, 16))).build());
        byte[] old = source.rgb();
        byte[] drawn = image.rgb();
        int changed = 0;
        for (int i = 0; i < drawn.length; i++) {
            int x = i / 3 % 64;
            int y = i / 3 / 64;
            boolean painted = x >= 16 && x < 32 && y >= 8 && y < 24;
            if (painted) {
                changed += drawn[i] == old[i] ? 0 : 1;
            } else {
                assertThat(drawn[i]).isEqualTo(old[i]);
            }
        }
        assertThat(changed).isGreaterThan(16 * 16 * 2);
    }

    // A small thing in a large picture is drawn at the size that the model is good at.
    @Test
    void partAroundTheMask_isDrawn_andTheResultHasThePicturesSize() {
        SourceImage source = picture(300, 200);
        ImageToImage imageToImage =
                ImageToImage.of(source).mask(mask(300, 200, 100, 100, 10)).maskPadding(16);
        GeneratedImage image =
                pipeline.generate(request(imageToImage).size(64, 64).build());
        assertThat(List.of(image.width(), image.height())).containsExactly(300, 200);
        assertThat(image.latents().width()).isEqualTo(8);
        assertThat(image.rgb()[0]).isEqualTo(source.rgb()[0]);
        int inside = 3 * (105 * 300 + 105);
        assertThat(Arrays.copyOfRange(image.rgb(), inside, inside + 9))
                .isNotEqualTo(Arrays.copyOfRange(source.rgb(), inside, inside + 9));
    }

    @Test
    void extendedPicture_keepsThePicture() {
        SourceImage source = picture(64, 48);
        GeneratedImage image = pipeline.generate(
                request(ImageToImage.of(source).extend(0, 0, 32, 16)).build());
        assertThat(List.of(image.width(), image.height())).containsExactly(96, 64);
        for (int x = 0; x < 48; x++) {
            assertThat(image.rgb()[3 * (5 * 96 + x)]).isEqualTo(source.rgb()[3 * (5 * 64 + x)]);
        }
    }

    @Test
    void savedPicture_saysWhatItStartedFrom() throws IOException {
        SourceImage source = picture(64, 48);
        GeneratedImage image =
                pipeline.generate(request(ImageToImage.of(source).strength(0.4)).build());
        Path file = folder.resolve("edited.png");
        image.save(file);
        GenerationRequest read = ImageParameters.read(file).orElseThrow().request();
        assertThat(read.imageToImage()).isEqualTo(ImageToImage.of(source).strength(0.4));
        assertThat(ImageParameters.readText(file).orElseThrow()).contains("Denoising strength: 0.4");
        GeneratedImage again = pipeline.generate(read.toBuilder()
                .imageToImage(imageToImage -> imageToImage.image(source))
                .build());
        assertThat(again.rgb()).isEqualTo(image.rgb());

        Path saved = folder.resolve("source.png");
        pipeline.generate(request(ImageToImage.of(file)).build()).save(saved);
        assertThat(Files.size(saved)).isPositive();
    }

    @Test
    void strengthUnset_isLowerWithoutAMask() {
        ImageToImage imageToImage = ImageToImage.of(picture(32, 32));
        assertThat(imageToImage.strength()).isEqualTo(0.6);
        assertThat(imageToImage.mask(picture(32, 32)).strength()).isEqualTo(1);
        assertThat(imageToImage.extend(16, 0, 0, 0).strength()).isEqualTo(1);
        assertThat(imageToImage.extend(16, 0, 0, 0).strength(0.3).strength()).isEqualTo(0.3);
    }

    @Test
    void hires_comesOutInTheSizeOfTheRequest_andIsSaved() throws IOException {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a red fox")
                .size(112, 64)
                .steps(3)
                .seed(7)
                .hires(2)
                .build();
        assertThat(request.evaluations()).isEqualTo(3 + 2);
        GeneratedImage image = pipeline.generate(request);
        assertThat(List.of(image.width(), image.height())).containsExactly(112, 64);
        Path file = folder.resolve("hires.png");
        image.save(file);
        assertThat(ImageParameters.read(file).orElseThrow().request()).isEqualTo(request);
        assertThat(ImageParameters.readText(file).orElseThrow()).contains("Hires upscale: 2.0", "Hires steps: 2");
        assertThatThrownBy(() -> request.toBuilder()
                        .hires(9)
                        .imageToImage(ImageToImage.of(picture(32, 32)))
                        .build())
                .hasMessageContaining("hires must be between 1 and 4, but was 9")
                .hasMessageContaining("leave out the image and the latents");
    }

    @Test
    void transparency_isAMask() throws IOException {
        BufferedImage image = new BufferedImage(2, 1, BufferedImage.TYPE_INT_ARGB);
        image.setRGB(0, 0, 0xff102030);
        image.setRGB(1, 0, 0x40ffffff);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ImageIO.write(image, "png", out);
        byte[] mask =
                SourceImage.ofTransparency(out.toByteArray()).orElseThrow().rgb();
        assertThat(mask).containsExactly(0, 0, 0, 255 - 0x40, 255 - 0x40, 255 - 0x40);
        out.reset();
        ImageIO.write(new BufferedImage(2, 2, BufferedImage.TYPE_INT_RGB), "png", out);
        assertThat(SourceImage.ofTransparency(out.toByteArray())).isEmpty();
    }

    @Test
    void filesThatAreNoPictures_areNamed() throws IOException {
        Path text = Files.writeString(folder.resolve("text.png"), "not a picture");
        assertThatThrownBy(() -> SourceImage.read(text))
                .isInstanceOf(ZImageException.class)
                .hasMessageContaining("text.png cannot be read: it must be a PNG, JPEG or WebP file");
        assertThatThrownBy(() -> SourceImage.of("GIF89a".getBytes(StandardCharsets.ISO_8859_1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("begins with 47 49 46");
        assertThatThrownBy(() -> SourceImage.ofDigest("abc"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a digest must be 64 hexadecimal digits in small letters, but was 'abc'");
    }

    @Test
    void memoryPlan_hasThePhaseThatEncodes() {
        MemoryPlan plan =
                pipeline.plan(request(ImageToImage.of(picture(64, 48))).build());
        assertThat(plan.peaks().phases().keySet()).containsExactly("text", "encode", "denoise", "decode");
        assertThat(plan.toString()).containsPattern("vae_encoder +cpu +FP32 .*whole, for each request");
        assertThat(pipeline.plan().peaks().phases().keySet()).containsExactly("text", "denoise", "decode");
    }
}
