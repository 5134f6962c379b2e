package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

/** Protects the order of channels, rows and colours in previews without a VAE. */
final class LatentColoursTest {
    // By hand: no latents give the bias; 5 in channel 9 adds (.563405, .44382, -.2097), -5 in channel 13 (.717505,
    // -.091315, .68069).
    @Test
    void colours_areThoseOfTheFormula() {
        NativeRuntime.load();
        float[] latents = new float[16 * 2 * 3];
        latents[9 * 6 + 1] = 5; // row 0, column 1
        latents[13 * 6 + 3] = -5; // row 1, column 0
        latents[6 * 6 + 5] = 1000; // row 1, column 2: too bright for all but what is clamped
        try (PointerScope scope = new PointerScope()) {
            Tensor colours = LatentColours.of(Tensors.of(latents, 16, 2, 3));
            assertThat(colours.sizes().vec().get()).containsExactly(2, 3, 3);
            byte[] rgb = Tensors.toBytes(colours);
            assertThat(pixel(rgb, 0)).containsExactly(131, 127, 126);
            assertThat(pixel(rgb, 1)).containsExactly(202, 183, 100);
            assertThat(pixel(rgb, 3)).containsExactly(222, 115, 213);
            assertThat(pixel(rgb, 5)).containsExactly(255, 255, 255);
        }
    }

    private static int[] pixel(byte[] rgb, int index) {
        return new int[] {rgb[3 * index] & 0xff, rgb[3 * index + 1] & 0xff, rgb[3 * index + 2] & 0xff};
    }
}
