package io.github.zimage.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.image.Image;
import dev.langchain4j.model.image.ImageModel;
import dev.langchain4j.model.output.Response;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What LangChain4j's interface promises, kept by the demo model. */
final class ZImageImageModelTest {
    private static ZImagePipeline pipeline;
    private static ImageModel model;

    @BeforeAll
    static void load() {
        pipeline = ZImagePipeline.builder().model(DemoModel.path()).build();
        model = ZImageImageModel.builder()
                .pipeline(pipeline)
                .request(GenerationRequest.builder()
                        .prompt("replaced")
                        .size(96, 96)
                        .steps(2)
                        .seed(7)
                        .build())
                .editStrength(0.5)
                .build();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    @Test
    void generatesTheSamePictureAsThePipeline() throws IOException {
        Response<Image> response = model.generate("a fox");
        assertThat(response.content().mimeType()).isEqualTo("image/png");
        BufferedImage same = pipeline.generate(GenerationRequest.builder()
                        .prompt("a fox")
                        .size(96, 96)
                        .steps(2)
                        .seed(7)
                        .build())
                .toBufferedImage();
        assertThat(pixels(decoded(response.content()))).isEqualTo(pixels(same));
        assertThat(response.metadata())
                .containsEntry("seed", "7")
                .containsEntry("width", 96)
                .containsEntry("height", 96)
                .containsEntry("steps", 2)
                .containsKey("millis");
    }

    @Test
    void generatesSeveralWithSeedsOfTheirOwn() throws IOException {
        Response<List<Image>> response = model.generate("a fox", 2);
        assertThat(response.content()).hasSize(2);
        assertThat(response.metadata()).containsEntry("seeds", List.of("7", "8"));
        assertThat(pixels(decoded(response.content().get(0))))
                .isNotEqualTo(pixels(decoded(response.content().get(1))));
    }

    @Test
    void editsKeepWhatTheMaskDoesNotMark(@TempDir Path folder) throws IOException {
        Image source = model.generate("a fox on a yellow background").content();
        BufferedImage mask = new BufferedImage(96, 96, BufferedImage.TYPE_INT_RGB);
        mask.createGraphics().fillRect(0, 0, 48, 96);
        BufferedImage edited =
                decoded(model.edit(source, encoded(mask), "a cat").content());
        assertThat(pixels(edited.getSubimage(48, 0, 48, 96)))
                .isEqualTo(pixels(decoded(source).getSubimage(48, 0, 48, 96)));

        Path file = folder.resolve("source.png");
        Files.write(file, Base64.getDecoder().decode(source.base64Data()));
        Image named = Image.builder().url(file.toUri()).build();
        assertThat(pixels(decoded(model.edit(named, "a cat").content())))
                .isEqualTo(pixels(decoded(model.edit(source, "a cat").content())))
                .isNotEqualTo(pixels(decoded(source)));
    }

    @Test
    void refusesWhatCannotBeDrawn() {
        assertThatThrownBy(() -> model.generate("a fox", 0)).hasMessageContaining("count");
        Image far = Image.builder().url(URI.create("https://example.org/x.png")).build();
        assertThatThrownBy(() -> model.edit(far, "a cat"))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("base64Data");
        Image broken = Image.builder().base64Data("AAAA").build();
        assertThatThrownBy(() -> model.edit(broken, "a cat")).isInstanceOf(InvalidRequestException.class);
        assertThatThrownBy(() -> ZImageImageModel.builder().build()).hasMessageContaining("pipeline");
        assertThatThrownBy(() -> ZImageImageModel.builder().editStrength(0)).hasMessageContaining("editStrength");
    }

    private static BufferedImage decoded(Image image) throws IOException {
        return ImageIO.read(new ByteArrayInputStream(Base64.getDecoder().decode(image.base64Data())));
    }

    private static Image encoded(BufferedImage image) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "png", bytes);
        return Image.builder()
                .base64Data(Base64.getEncoder().encodeToString(bytes.toByteArray()))
                .build();
    }

    private static int[] pixels(BufferedImage image) {
        return image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
    }
}
