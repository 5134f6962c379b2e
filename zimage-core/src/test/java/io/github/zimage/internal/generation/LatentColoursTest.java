package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
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
        LatentColours flux = Objects.requireNonNull(LatentColours.of(vae(0.3611, List.of())));
        float[] latents = new float[16 * 2 * 3];
        latents[9 * 6 + 1] = 5; // row 0, column 1
        latents[13 * 6 + 3] = -5; // row 1, column 0
        latents[6 * 6 + 5] = 1000; // row 1, column 2: too bright for all but what is clamped
        try (PointerScope scope = new PointerScope()) {
            Tensor colours = flux.rgb(Tensors.of(latents, 16, 2, 3));
            assertThat(colours.sizes().vec().get()).containsExactly(2, 3, 3);
            byte[] rgb = Tensors.toBytes(colours);
            assertThat(pixel(rgb, 0)).containsExactly(131, 127, 126);
            assertThat(pixel(rgb, 1)).containsExactly(202, 183, 100);
            assertThat(pixel(rgb, 3)).containsExactly(222, 115, 213);
            assertThat(pixel(rgb, 5)).containsExactly(255, 255, 255);
        }
    }

    private static VaeConfig vae(double scale, List<Float> colours) {
        return new VaeConfig(16, List.of(16, 32), 1, 8, scale, 0.1159, false, true, 3, false, colours);
    }

    // A checkpoint's own factors come before those that its VAE's numbers stand for.
    @Test
    void checkpointsOwnColours_areTaken() {
        NativeRuntime.load();
        assertThat(LatentColours.of(vae(0.5, List.of()))).isNull();
        List<Float> own = new ArrayList<>(Collections.nCopies(16 * 3, 0f));
        own.set(5 * 3 + 1, 0.25f); // channel 5 is green
        own.addAll(List.of(-1f, 0f, 1f));
        float[] latents = new float[16];
        latents[5] = 2;
        for (double scale : new double[] {0.5, 0.3611}) {
            try (PointerScope scope = new PointerScope()) {
                LatentColours colours = Objects.requireNonNull(LatentColours.of(vae(scale, own)));
                assertThat(pixel(Tensors.toBytes(colours.rgb(Tensors.of(latents, 16, 1, 1))), 0))
                        .containsExactly(0, 191, 255);
            }
        }
    }

    private static int[] pixel(byte[] rgb, int index) {
        return new int[] {rgb[3 * index] & 0xff, rgb[3 * index + 1] & 0xff, rgb[3 * index + 2] & 0xff};
    }
}
