package io.github.zimage.internal.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** Protects what "how like its picture" means in all other tests and in tuning. */
final class PsnrTest {
    // By hand: one channel of four is off by 10, so the error is 25 and the ratio 10 log10(65025 / 25).
    @Test
    void decibels_areOfTheMeanOverAllChannels() {
        byte[] one = {0, 100, (byte) 200, (byte) 255};
        byte[] other = {0, 110, (byte) 200, (byte) 255};
        assertThat(Psnr.meanSquaredError(one, other)).isEqualTo(25);
        assertThat(Psnr.decibels(one, other)).isCloseTo(34.1514, within(1e-4));
    }

    @Test
    void bytes_areUnsigned() {
        assertThat(Psnr.decibels(new byte[] {0}, new byte[] {(byte) 255})).isZero();
    }

    @Test
    void equalPictures_areInfinitelyAlike() {
        assertThat(Psnr.decibels(new byte[] {1, 2}, new byte[] {1, 2})).isInfinite();
    }

    @Test
    void picturesOfTwoSizes_areRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Psnr.decibels(new byte[3], new byte[6]));
    }
}
