package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A seed must give the picture that it gives in Python: the numbers are those of
 * {@code torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))} in PyTorch 2.10. It draws fewer than 16 numbers
 * another way than more.
 */
final class NoiseTest {
    /** Processors differ in the last bit of sines and logarithms. */
    private static final float LAST_BITS = 5e-7f;

    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    @ParameterizedTest
    @CsvSource({
        "0, 3, 1, 1, 1.54099607, -0.293428898, -2.17878938, -0.9312222003936768",
        "0, 2, 2, 3, 1.54099607, -0.293428898, 0.182036489, -3.141735553741455",
        "0, 1, 3, 7, -1.12583983, -1.15236020, 0.618056655, 6.585718251764774",
        "0, 16, 4, 6, -1.12583983, -1.15236020, -0.234473392, 16.04459763719933",
        "42, 2, 2, 3, 0.336690366, 0.128809407, 0.809357226, 3.264584869146347",
        "42, 16, 1, 1, 1.92691529, 1.48728406, 0.762445390, -2.1876682862639427",
        "42, 16, 4, 6, 1.92691529, 1.48728406, -0.359457254, 19.55219686671626",
        "-1, 2, 2, 3, 1.21976304, -0.392979473, 0.709757686, -0.22682558745145798",
        "-1, 16, 4, 6, -2.66429758, -1.09104860, 1.06098270, -1.2741023926064372",
        "1099511627783, 16, 4, 6, -0.820134521, 0.395631164, -0.979839087, -14.200420687790029",
    })
    void noise_isThatOfPyTorch(
            long seed, long channels, long height, long width, float first, float second, float last, double sum) {
        float[] values;
        try (PointerScope scope = new PointerScope()) {
            values = Tensors.toFloats(new PictureNoise(seed, 1, TensorPlace.CPU, channels, height, width).next());
        }
        assertThat(values[0]).isEqualTo(first, within(LAST_BITS));
        assertThat(values[1]).isEqualTo(second, within(LAST_BITS));
        assertThat(values[values.length - 1]).isEqualTo(last, within(LAST_BITS));
        double total = 0;
        for (float value : values) {
            total += value;
        }
        assertThat(total).isEqualTo(sum, within((double) LAST_BITS * values.length));
    }
}
