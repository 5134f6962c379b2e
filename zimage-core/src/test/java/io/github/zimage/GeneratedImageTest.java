package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.metadata.IIOMetadataNode;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class GeneratedImageTest {
    @TempDir
    Path folder;

    // A picture whose colours or rows were swapped, or that was stored with loss, would still look like a picture.
    @Test
    void toPng_givesBackEveryPixel() throws IOException {
        byte[] rgb = new byte[48 * 32 * 3];
        new Random(1).nextBytes(rgb);
        GeneratedImage image = image(48, 32, rgb, parameters("fox", null));

        BufferedImage read = ImageIO.read(new ByteArrayInputStream(image.toPng()));

        assertThat(read.getWidth()).isEqualTo(48);
        assertThat(read.getHeight()).isEqualTo(32);
        for (int y = 0; y < 32; y++) {
            for (int x = 0; x < 48; x++) {
                int at = (y * 48 + x) * 3;
                int expected = ((rgb[at] & 0xff) << 16) | ((rgb[at + 1] & 0xff) << 8) | (rgb[at + 2] & 0xff);
                assertThat(read.getRGB(x, y) & 0xffffff).isEqualTo(expected);
                assertThat(image.toBufferedImage().getRGB(x, y) & 0xffffff).isEqualTo(expected);
            }
        }
    }

    @Test
    void write_givesTheSameBytes_andLeavesTheStreamOpen() throws IOException {
        GeneratedImage image = image(2, 1, new byte[6], parameters("fox", null));
        List<String> closed = new ArrayList<>();
        ByteArrayOutputStream out = new ByteArrayOutputStream() {
            @Override
            public void close() {
                closed.add("closed");
            }
        };
        image.write(out);
        assertThat(out.toByteArray()).isEqualTo(image.toPng());
        assertThat(closed).isEmpty();
        assertThat(image.toString()).startsWith("GeneratedImage[2 x 1");
    }

    // The picture must stay what it is, whatever its user does with the array.
    @Test
    void rgb_isACopy() {
        GeneratedImage image = image(1, 1, new byte[] {1, 2, 3}, null);
        image.rgb()[0] = 9;
        assertThat(image.rgb()).containsExactly(1, 2, 3);
    }

    // Prompts are the only record of how a picture came about: no character of them may be lost.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "a red fox",
                "一只红色的狐狸在雪地里 🦊❄️",
                "ثعلب أحمر",
                "two\nlines\r\nand a\ttab\n",
                "Steps: 3, Sampler: DDIM\nNegative prompt: none\nSteps: 5, Seed: 1",
                "quotes \" and \\ and {\"json\": 1}",
                "nul \0 and control \u0007 and \u2028",
                "half a pair \ud83e and \udd8a the wrong way"
            })
    void save_keepsThePrompt(String prompt) {
        ImageParameters parameters = parameters(prompt, prompt + "!");
        Path file = folder.resolve("fox.png");

        image(parameters).save(file);

        assertThat(ImageParameters.read(file)).contains(parameters);
    }

    // Rounded numbers would draw another picture.
    @Test
    void save_keepsEveryNumber() {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a")
                .size(8192, 16)
                .guidance(0.1 + 0.2)
                .cfgNormalization(Math.nextDown(1.0))
                .cfgTruncation(Double.MIN_VALUE)
                .seed(Long.MIN_VALUE)
                .sigmas(List.of(1f, Math.nextDown(1f), 1 / 3f, Float.MIN_VALUE))
                .build();
        ImageParameters parameters =
                new ImageParameters(request, "Z-Image, \"Turbo\": 狐", Precision.BF16, Precision.FP32);
        Path file = folder.resolve("fox.png");

        image(parameters).save(file);

        assertThat(ImageParameters.read(file)).contains(parameters);
    }

    // Other programs look for the text under this keyword, and read UTF-8 only from iTXt.
    @Test
    void toPng_holdsParametersAsInternationalText() throws IOException {
        byte[] png = image(parameters("红狐 🦊", null)).toPng();

        assertThat(internationalText(png, "parameters")).startsWith("红狐 🦊\nSteps: 8, Sampler: Euler, ");
        Path file = folder.resolve("fox.png");
        Files.write(file, png);
        assertThat(ImageParameters.readText(file).orElseThrow()).startsWith("红狐 🦊\nSteps: 8");
    }

    // Whoever asks for a picture without metadata does not want to publish the prompt.
    @Test
    void withoutMetadata_leavesNoTraceOfThePrompt() throws IOException {
        GeneratedImage image = image(parameters("a secret", null));
        GeneratedImage plain = image.withoutMetadata();
        Path file = folder.resolve("fox.png");
        plain.save(file);

        assertThat(new String(plain.toPng(), StandardCharsets.ISO_8859_1))
                .doesNotContain("secret", "tEXt", "iTXt", "zTXt");
        assertThat(ImageParameters.read(file)).isEmpty();
        assertThat(ImageParameters.readText(file)).isEmpty();
        assertThat(plain.parameters()).isNull();
        assertThat(plain.seed()).isNull();
        assertThat(plain.rgb()).isEqualTo(image.rgb());
        assertThat(image.seed()).isEqualTo(42);
    }

    // A second generation with the same name must not leave the first one's bytes behind the second one's.
    @Test
    void save_replacesALongerFile() throws IOException {
        Path file = folder.resolve("fox.PNG");
        Files.write(file, new byte[100_000]);
        GeneratedImage image = image(parameters("fox", null));

        image.save(file);

        assertThat(file).hasBinaryContent(image.toPng());
        assertOnlyFile(file);
    }

    @Test
    void save_followsASymbolicLink() throws IOException {
        Path file = Files.createFile(folder.resolve("fox.png"));
        Path link = Files.createSymbolicLink(folder.resolve("link.png"), file);

        image(null).save(link);

        assertThat(Files.isSymbolicLink(link)).isTrue();
        assertThat(file).hasBinaryContent(image(null).toPng());
    }

    @ParameterizedTest
    @ValueSource(strings = {"fox.webp", "fox", "fox.png.gif", "png", "jpg"})
    void save_otherFormats_areRefusedByName(String name) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> image(null).save(folder.resolve(name)))
                .withMessageContaining(".png")
                .withMessageContaining(name);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void save_missingFolder_isNamed() {
        Path file = folder.resolve("missing/fox.png");
        assertThatThrownBy(() -> image(null).save(file))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessage("cannot write %s: there is no folder %s", file, file.getParent());
    }

    @Test
    void save_ontoAFolder_isRefused() throws IOException {
        Path file = Files.createDirectory(folder.resolve("fox.png"));
        assertThatThrownBy(() -> image(null).save(file))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessage("cannot write %s: it is a folder", file);
        assertOnlyFile(file);
    }

    // A rename onto a link to a device would replace the device.
    @Test
    void save_ontoADevice_isRefused() throws IOException {
        Path device = Path.of("/dev/null");
        assumeTrue(Files.exists(device));
        Path link = Files.createSymbolicLink(folder.resolve("fox.png"), device);
        assertThatThrownBy(() -> image(null).save(link))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("it is not a regular file");
        assertThat(Files.isRegularFile(device)).isFalse();
        Files.delete(link);
    }

    // An interrupt closes the channel in the middle of the write: the old picture must survive it.
    @Test
    void save_failingHalfway_keepsTheOldFile() throws IOException {
        Path file = folder.resolve("fox.png");
        Files.writeString(file, "old");

        Thread.currentThread().interrupt();
        try {
            assertThatThrownBy(() -> image(parameters("fox", null)).save(file))
                    .isInstanceOf(UncheckedIOException.class);
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }

        assertThat(file).hasContent("old");
        assertOnlyFile(file);
    }

    private void assertOnlyFile(Path file) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    private static String internationalText(byte[] png, String keyword) throws IOException {
        var reader = ImageIO.getImageReadersByFormatName("png").next();
        reader.setInput(ImageIO.createImageInputStream(new ByteArrayInputStream(png)));
        IIOMetadata metadata = reader.getImageMetadata(0);
        IIOMetadataNode root = (IIOMetadataNode) metadata.getAsTree("javax_imageio_png_1.0");
        var entries = root.getElementsByTagName("iTXtEntry");
        for (int i = 0; i < entries.getLength(); i++) {
            IIOMetadataNode entry = (IIOMetadataNode) entries.item(i);
            if (entry.getAttribute("keyword").equals(keyword)) {
                return entry.getAttribute("text");
            }
        }
        throw new AssertionError("no iTXt chunk " + keyword);
    }

    private static GeneratedImage image(@Nullable ImageParameters parameters) {
        byte[] rgb = new byte[16 * 16 * 3];
        new Random(2).nextBytes(rgb);
        return image(16, 16, rgb, parameters);
    }

    private static GeneratedImage image(int width, int height, byte[] rgb, @Nullable ImageParameters parameters) {
        GeneratedImage.Timings timings =
                new GeneratedImage.Timings(Duration.ZERO, Duration.ZERO, Duration.ZERO, List.of(), 8);
        return new GeneratedImage(width, height, rgb, Latents.of(1, 1, 1, new float[1]), parameters, timings);
    }

    private static ImageParameters parameters(String prompt, @Nullable String negativePrompt) {
        GenerationRequest.Builder request =
                GenerationRequest.builder().prompt(prompt).size(16, 16).seed(42);
        if (negativePrompt != null) {
            request.negativePrompt(negativePrompt);
        }
        return new ImageParameters(request.build(), "Z-Image-Turbo", Precision.BF16, Precision.BF16);
    }
}
