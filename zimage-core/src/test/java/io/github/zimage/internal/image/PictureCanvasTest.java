package io.github.zimage.internal.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ImageToImage;
import io.github.zimage.ImageToImage.Fit;
import io.github.zimage.ImageToImage.MaskCells;
import io.github.zimage.ImageToImage.MaskMode;
import io.github.zimage.SourceImage;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects what becomes of a picture and its mask before they are encoded, and of what is drawn, after. */
final class PictureCanvasTest {
    private static BufferedImage image(int width, int height, Color colour) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        fill(image, 0, 0, width, height, colour);
        return image;
    }

    private static void fill(BufferedImage image, int x, int y, int width, int height, Color colour) {
        Graphics2D graphics = image.createGraphics();
        graphics.setColor(colour);
        graphics.fillRect(x, y, width, height);
        graphics.dispose();
    }

    /** Each pixel says where it is. */
    private static BufferedImage positions(int width, int height) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, x << 16 | y << 8 | 77);
            }
        }
        return image;
    }

    private static Pixels drawn(int width, int height, int value) {
        byte[] data = new byte[3 * width * height];
        Arrays.fill(data, (byte) value);
        return new Pixels(width, height, 3, data);
    }

    @Test
    void cover_takesTheMiddle_inTheShapeThatIsDrawn() {
        Pixels picture = PictureCanvas.of(ImageToImage.of(SourceImage.of(positions(200, 100))), 100, 100)
                .picture();
        assertThat(picture.width()).isEqualTo(100);
        assertThat(picture.sample(0, 0, 0))
                .as("50 columns are cut off on either side")
                .isEqualTo(50);
        assertThat(picture.sample(99, 99, 0)).isEqualTo(149);
        assertThat(picture.sample(99, 99, 1)).isEqualTo(99);
    }

    @Test
    void contain_repeatsTheEdges() {
        ImageToImage imageToImage =
                ImageToImage.of(SourceImage.of(positions(100, 50))).fit(Fit.CONTAIN);
        Pixels picture = PictureCanvas.of(imageToImage, 100, 100).picture();
        assertThat(picture.sample(30, 0, 1)).isZero();
        assertThat(picture.sample(30, 24, 1)).isZero();
        assertThat(picture.sample(30, 25 + 30, 1)).isEqualTo(30);
        assertThat(picture.sample(30, 99, 1)).isEqualTo(49);
        assertThat(picture.sample(30, 99, 0)).isEqualTo(30);
    }

    @Test
    void stretch_isPillowsResize() {
        SourceImage source = SourceImage.of(positions(70, 41));
        Pixels picture = PictureCanvas.of(ImageToImage.of(source).fit(Fit.STRETCH), 64, 64)
                .picture();
        assertThat(picture.data())
                .isEqualTo(Lanczos.resize(new Pixels(70, 41, 3, source.rgb()), 64, 64)
                        .data());
    }

    // The numbers are those of diffusers' get_crop_region.
    @ParameterizedTest
    @CsvSource({"256, 128, 84, 32, 156, 68", "64, 64, 92, 22, 148, 78"})
    void maskRegion_isThatOfDiffusers(int width, int height, int left, int top, int right, int bottom) {
        Pixels mask = Pixels.filled(256, 128, 0);
        for (int y = 40; y < 60; y++) {
            for (int x = 100; x < 140; x++) {
                mask.data()[y * 256 + x] = (byte) 255;
            }
        }
        assertThat(MaskRegion.of(mask, 8, width, height)).isEqualTo(new Box(left, top, right, bottom));
    }

    @Test
    void maskRegionAtAnEdge_staysInThePicture() {
        Pixels mask = Pixels.filled(40, 30, 0);
        mask.data()[29 * 40 + 39] = 1;
        assertThat(MaskRegion.of(mask, 2, 64, 64)).isEqualTo(new Box(37, 27, 40, 30));
        assertThat(MaskRegion.of(mask, 100, 16, 16)).isEqualTo(new Box(0, 0, 40, 30));
        assertThatThrownBy(() -> MaskRegion.of(Pixels.filled(4, 4, 0), 1, 16, 16))
                .hasMessageContaining("black everywhere");
    }

    @Test
    void whatIsNotPainted_isThePicturesToTheByte() {
        BufferedImage mask = image(64, 48, Color.BLACK);
        fill(mask, 10, 10, 20, 20, Color.WHITE);
        fill(mask, 40, 10, 5, 20, new Color(51, 51, 51));
        SourceImage source = SourceImage.of(positions(64, 48));
        Overlay overlay =
                Objects.requireNonNull(PictureCanvas.of(ImageToImage.of(source).mask(SourceImage.of(mask)), 64, 48)
                        .overlay());
        Pixels result = overlay.with(drawn(64, 48, 200));
        byte[] old = source.rgb();
        int kept = 0;
        for (int i = 0; i < result.data().length; i++) {
            int share = mask.getRGB(i / 3 % 64, i / 3 / 64) & 0xff;
            int was = Byte.toUnsignedInt(old[i]);
            int is = Byte.toUnsignedInt(result.data()[i]);
            kept += share == 0 ? 1 : 0;
            assertThat(is).isEqualTo((int) Math.round((200.0 * share + was * (255 - share)) / 255));
        }
        assertThat(kept).isGreaterThan(64 * 48 * 3 / 2);
    }

    @Test
    void partAroundAMask_isDrawnLarge_andPutBackIntoTheWholePicture() {
        BufferedImage mask = image(300, 200, Color.BLACK);
        fill(mask, 140, 90, 20, 20, Color.WHITE);
        SourceImage source = SourceImage.of(positions(250, 200));
        PictureCanvas canvas = PictureCanvas.of(
                ImageToImage.of(source).mask(SourceImage.of(mask)).maskPadding(16), 128, 128);
        assertThat(canvas.picture().width()).isEqualTo(128);
        Overlay overlay = Objects.requireNonNull(canvas.overlay());
        assertThat(overlay.box().width()).as("the mask and 16 on either side").isBetween(48, 54);
        Pixels result = overlay.with(drawn(128, 128, 9));
        assertThat(result.width()).isEqualTo(250);
        assertThat(result.height()).isEqualTo(200);
        assertThat(result.sample(0, 0, 2)).isEqualTo(77);
        assertThat(result.sample(125, 100, 2)).as("in the middle of the mask").isEqualTo(9);
        assertThat(result.sample(100, 100, 0)).isEqualTo(100);
    }

    @Test
    void extension_isMirroredSoftly_andMasked() {
        SourceImage source = SourceImage.of(positions(64, 48));
        PictureCanvas canvas = PictureCanvas.of(ImageToImage.of(source).extend(20, 0, 1, 0), 64 + 32 + 16, 48);
        Pixels mask = Objects.requireNonNull(canvas.mask());
        assertThat(mask.width()).as("rounded up to multiples of 16").isEqualTo(112);
        assertThat(mask.sample(0, 20, 0)).isEqualTo(255);
        assertThat(mask.sample(31, 20, 0)).isEqualTo(255);
        assertThat(mask.sample(32, 20, 0)).as("fading").isBetween(200, 254);
        assertThat(mask.sample(32 + 16, 20, 0)).as("the old picture").isZero();
        assertThat(mask.sample(111, 20, 0)).isEqualTo(255);
        assertThat(canvas.picture().sample(32 + 30, 20, 0)).isEqualTo(30);
        assertThat(canvas.picture().sample(32 - 10, 20, 0))
                .as("the mirror image")
                .isBetween(5, 14);
        Pixels result = Objects.requireNonNull(canvas.overlay()).with(drawn(112, 48, 200));
        assertThat(result.sample(32 + 30, 20, 0)).isEqualTo(30);
        assertThat(result.sample(3, 20, 0)).isEqualTo(200);
    }

    // diffusers looks at one pixel of 64, so that a line between two of them is not seen.
    @Test
    void thinStrokes_areSeenUnlessTheCornersCount() {
        Pixels mask = Pixels.filled(32, 16, 0);
        for (int y = 0; y < 16; y++) {
            mask.data()[y * 32 + 12] = (byte) 255;
        }
        assertThat(MaskGrid.of(mask, 8, MaskMode.BINARY, MaskCells.ANY)).containsExactly(0, 1, 0, 0, 0, 1, 0, 0);
        assertThat(MaskGrid.of(mask, 8, MaskMode.BINARY, MaskCells.CORNER)).containsOnly(0);
        assertThat(MaskGrid.of(mask, 8, MaskMode.SOFT, MaskCells.ANY)[1]).isEqualTo(0.125f);
    }

    @Test
    void greys_areRoundedOnlyInBinaryMasks() {
        for (MaskCells cells : MaskCells.values()) {
            assertThat(MaskGrid.of(Pixels.filled(8, 8, 127), 8, MaskMode.BINARY, cells))
                    .containsExactly(0);
            assertThat(MaskGrid.of(Pixels.filled(8, 8, 128), 8, MaskMode.BINARY, cells))
                    .containsExactly(1);
            assertThat(MaskGrid.of(Pixels.filled(8, 8, 51), 8, MaskMode.SOFT, cells))
                    .containsExactly(0.2f);
            assertThat(MaskGrid.of(Pixels.filled(8, 8, 51), 8, MaskMode.DIFFERENTIAL, cells))
                    .containsExactly(0.2f);
        }
    }
}
