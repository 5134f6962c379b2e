package io.github.zimage.internal.vae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import io.github.zimage.NativeLeakExtension;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.assertj.core.data.Offset;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that TAEF1 decodes as in diffusers, whichever names its file has. Fixtures: {@code tools/parity/make_preview_fixtures.py}. */
@ExtendWith(NativeLeakExtension.class)
final class TinyDecoderTest {
    private static final Path FIXTURES = Path.of("src/test/resources/previews");

    /** As a share of the largest number: what some thirty convolutions one behind the other make of FP32's rounding, as of the VAE's. */
    private static final float ROUNDING = 2e-6f;

    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    private static float[] floats(String name) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.wrap(Files.readAllBytes(FIXTURES.resolve(name))).order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(values);
        return values;
    }

    @ParameterizedTest
    @ValueSource(strings = {"taef1.safetensors", "taef1_original.safetensors"})
    void picture_isThatOfDiffusers(String file) throws IOException {
        float[] expected = floats("image.bin"); // from -1 to 1
        try (PointerScope scope = new PointerScope();
                TinyDecoder decoder = TinyDecoder.load(FIXTURES.resolve(file), 16, TensorPlace.CPU)) {
            Tensor latents = Tensors.of(floats("latents.bin"), 16, 6, 4);
            float[] actual = Tensors.toFloats(decoder.image(latents));
            byte[] bytes = Tensors.toBytes(decoder.decode(latents));
            assertThat(actual).hasSameSizeAs(expected);
            float largest = 0;
            for (float each : expected) {
                largest = Math.max(largest, Math.abs(each));
            }
            int pixels = 48 * 32;
            for (int i = 0; i < expected.length; i++) {
                assertThat(2 * actual[i] - 1).isCloseTo(expected[i], Offset.offset(ROUNDING * largest));
                int level = Math.round(255 * Math.min(1, Math.max(0, actual[i])));
                assertThat(Math.abs((bytes[3 * (i % pixels) + i / pixels] & 0xff) - level))
                        .isLessThanOrEqualTo(1);
            }
        }
    }

    @Test
    void otherFiles_areRefusedByName() {
        assertThatThrownBy(() -> TinyDecoder.load(FIXTURES.resolve("taef1.safetensors"), 4, TensorPlace.CPU))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining(
                        "is not TAEF1 for these latents: \"decoder.layers.0.weight\" must have shape [8, 4, 3, 3]");
        assertThatThrownBy(() -> TinyDecoder.load(FIXTURES.resolve("missing.safetensors"), 16, TensorPlace.CPU))
                .isInstanceOf(ModelLoadException.class);
        assertThatThrownBy(() -> TinyDecoder.load(FIXTURES.resolve("image.bin"), 16, TensorPlace.CPU))
                .isInstanceOf(ModelLoadException.class);
    }
}
