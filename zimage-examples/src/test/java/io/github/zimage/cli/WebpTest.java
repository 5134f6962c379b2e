package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.SourceImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that the command reads WebP files as Pillow does, and refuses hostile ones. */
final class WebpTest {
    private static Path file(String name) {
        try {
            return Path.of(Objects.requireNonNull(WebpTest.class.getResource("/webp/" + name))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lossless", "transparent", "turned"})
    void losslessPictures_arePillows_toTheByte(String name) {
        SourceImage actual = SourceImage.read(file(name + ".webp"));
        SourceImage expected = SourceImage.read(file(name + ".png"));
        assertThat(actual.width()).isEqualTo(expected.width());
        assertThat(actual.rgb()).isEqualTo(expected.rgb());
    }

    // Decoders differ in how they bring colours from half the size to the whole; a picture of another kind would be far
    // off.
    @Test
    void lossyPictures_areNearPillows() {
        byte[] actual = SourceImage.read(file("lossy.webp")).rgb();
        byte[] expected = SourceImage.read(file("lossy.png")).rgb();
        assertThat(actual).hasSameSizeAs(expected);
        double sum = 0;
        for (int i = 0; i < actual.length; i++) {
            sum += Math.abs(Byte.toUnsignedInt(actual[i]) - Byte.toUnsignedInt(expected[i]));
        }
        assertThat(sum / actual.length).isLessThan(4);
    }

    @Test
    void animations_areRefused() {
        assertThatThrownBy(() -> SourceImage.read(file("animated.webp")))
                .hasMessageContaining("must hold one picture, but this is animated");
    }

    // Whatever is changed, a picture comes of it or a message.
    @Test
    void changedFiles_areReadOrRefused() throws IOException {
        Random random = new Random(5);
        int refused = 0;
        for (String name : new String[] {"lossless", "transparent", "turned", "lossy"}) {
            byte[] sound = Files.readAllBytes(file(name + ".webp"));
            for (int i = 0; i < 250; i++) {
                byte[] bytes =
                        Arrays.copyOf(sound, random.nextInt(4) == 0 ? random.nextInt(sound.length) : sound.length);
                for (int changes = random.nextInt(4); changes > 0 && bytes.length > 0; changes--) {
                    bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
                }
                try {
                    assertThat(SourceImage.of(bytes).width()).isPositive();
                } catch (IllegalArgumentException e) {
                    refused++;
                    assertThat(e).hasMessageStartingWith("the picture cannot be read: ");
                }
            }
        }
        assertThat(refused).isGreaterThan(100);
    }
}
