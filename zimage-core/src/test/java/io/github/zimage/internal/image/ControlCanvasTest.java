package io.github.zimage.internal.image;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.control.ControlImage;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Protects what a ControlNet sees of a picture: outlines as OpenCV finds them, blurred and reduced as by Pillow, to the bit. */
final class ControlCanvasTest {
    private static Path resource(String name) throws URISyntaxException {
        return Path.of(Objects.requireNonNull(ControlCanvasTest.class.getResource(name), name)
                .toURI());
    }

    private static Pixels pixels(SourceImage image) {
        return new Pixels(image.width(), image.height(), 3, image.rgb());
    }

    private static String digest(byte[] data) throws NoSuchAlgorithmException {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
    }

    // Odd sizes and single rows among them; see tools/parity/make_control_picture_fixtures.py.
    @Test
    void picturesOfAllKinds_areProcessedAsByOpenCvAndPillow() throws Exception {
        JsonNode expected = new ObjectMapper()
                .readTree(resource("/control-pictures.json").toFile())
                .get("pictures");
        int edges = 0;
        for (Map.Entry<String, JsonNode> each : expected.properties()) {
            SourceImage image = SourceImage.read(resource("/pictures/" + each.getKey()));
            JsonNode about = each.getValue();
            Pixels canny = ControlCanvas.processed(ControlImage.Type.CANNY, pixels(image));
            byte[] grey = new byte[image.width() * image.height()];
            for (int i = 0; i < grey.length; i++) {
                grey[i] = canny.data()[3 * i];
                edges += grey[i] == 0 ? 0 : 1;
            }
            assertThat(digest(grey))
                    .as("outlines of %s", each)
                    .isEqualTo(about.get("canny").textValue());
            assertThat(digest(ControlCanvas.processed(ControlImage.Type.BLUR, pixels(image))
                            .data()))
                    .as("%s, blurred", each)
                    .isEqualTo(about.get("blur").textValue());
            assertThat(digest(ControlCanvas.processed(ControlImage.Type.TILE, pixels(image))
                            .data()))
                    .as("%s, reduced", each)
                    .isEqualTo(about.get("tile").textValue());
        }
        assertThat(expected.size()).isGreaterThan(40);
        assertThat(edges).as("there is something to be found").isGreaterThan(5000);
    }

    private static BufferedImage image(int background, int spots) {
        BufferedImage image = new BufferedImage(64, 48, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 64 * 48; i++) {
            image.setRGB(i % 64, i / 64, i % 64 / 8 % 3 == 0 ? spots : background);
        }
        return image;
    }

    @Test
    void auto_findsOutlines_unlessThePictureIsAMap() {
        Pixels photo = pixels(SourceImage.of(image(0x8899ff, 0xdd2211)));
        assertThat(ControlCanvas.processed(ControlImage.Type.AUTO, photo).data())
                .isEqualTo(
                        ControlCanvas.processed(ControlImage.Type.CANNY, photo).data())
                .isNotEqualTo(photo.data());
        for (int[] map : new int[][] {{0x808080, 0xffffff}, {0x000000, 0xff2080}, {0x0a0a0f, 0x20ff40}}) {
            Pixels own = pixels(SourceImage.of(image(map[0], map[1])));
            assertThat(ControlCanvas.processed(ControlImage.Type.AUTO, own)).isSameAs(own);
        }
    }

    @Test
    void grey_hasThreeEqualBands() {
        byte[] grey = ControlCanvas.processed(ControlImage.Type.GREY, pixels(SourceImage.of(image(0x8899ff, 0xdd2211))))
                .data();
        assertThat(Arrays.copyOf(grey, 3)).containsOnly(grey[0]);
        assertThat(Byte.toUnsignedInt(grey[0])).as("red of 0xdd2211 in grey").isEqualTo(88);
    }

    @Test
    void pictures_areBroughtToTheSizeThatIsDrawn_withTheirMasks() throws IOException {
        SourceImage picture = SourceImage.of(image(0x8899ff, 0xdd2211));
        BufferedImage half = new BufferedImage(128, 96, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 64 * 96; i++) {
            half.setRGB(i % 64, i / 64, 0xffffff);
        }
        ImageToImage edit = ImageToImage.of(picture).mask(SourceImage.of(half));
        ControlImage control = ControlImage.of(picture).type(ControlImage.Type.NONE);
        ControlCanvas canvas = ControlCanvas.of(control, edit, true, 32, 48);
        for (Pixels each : Arrays.asList(canvas.picture(), canvas.surroundings(), canvas.mask())) {
            assertThat(Objects.requireNonNull(each).width()).isEqualTo(32);
            assertThat(each.height()).isEqualTo(48);
        }
        Pixels mask = Objects.requireNonNull(canvas.mask());
        assertThat(mask.sample(2, 5, 0)).isEqualTo(255);
        assertThat(mask.sample(29, 5, 0)).isZero();
        assertThat(ControlCanvas.of(control, edit, false, 32, 48).mask())
                .as("of a ControlNet that takes none")
                .isNull();
        ControlCanvas alone =
                ControlCanvas.of(ControlImage.ofSurroundings(picture, SourceImage.of(half)), null, true, 32, 48);
        assertThat(alone.picture()).isNull();
        assertThat(Objects.requireNonNull(alone.mask()).data()).isEqualTo(mask.data());
    }
}
