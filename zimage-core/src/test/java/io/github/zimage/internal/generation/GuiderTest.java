package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.GuidanceMethod;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects that guidance is that of diffusers' guiders, step by step. */
final class GuiderTest {
    /** FP32 rounding of sums of 24 numbers of about 10. */
    private static final float TOLERANCE = 4e-6f;

    private static final double GUIDANCE = 2.5;

    private static JsonNode fixtures;

    @BeforeAll
    static void read() throws IOException {
        NativeRuntime.load();
        fixtures = new ObjectMapper()
                .readTree(Path.of("src/test/resources/guiders.json").toFile());
    }

    static Stream<Arguments> methods() {
        GuidanceMethod plain = GuidanceMethod.DEFAULT;
        return Stream.of(
                Arguments.of("cfg", plain),
                Arguments.of("rescale", plain.withRescale(0.7)),
                Arguments.of("zero", GuidanceMethod.ZERO_STAR),
                Arguments.of("zero_init", GuidanceMethod.ZERO_STAR.withZeroSteps(1)),
                Arguments.of("zero_rescale", GuidanceMethod.ZERO_STAR.withRescale(0.4)),
                Arguments.of("apg", GuidanceMethod.PROJECTED.withMomentum(-0.5).withThreshold(0.8)),
                Arguments.of("apg_eta", GuidanceMethod.PROJECTED.withEta(0.3).withRescale(0.5)));
    }

    @ParameterizedTest
    @MethodSource("methods")
    void steps_areDiffusers(String name, GuidanceMethod method) {
        JsonNode expected = fixtures.get(name);
        assertThat(expected).as(name).hasSize(3);
        try (Guider guider = new Guider(method, GUIDANCE)) {
            for (int step = 0; step < 3; step++) {
                float[] actual = combine(guider, 4, step);
                combine(guider, 5, (step + 1) % 3); // another picture has a memory of its own
                for (int i = 0; i < actual.length; i++) {
                    assertThat(actual[i])
                            .as("%s, step %d, number %d", name, step, i)
                            .isCloseTo((float) expected.get(step).get(i).doubleValue(), within(TOLERANCE));
                }
            }
        }
    }

    // Only if they do, being near one says anything.
    @Test
    void methods_differ() {
        List<JsonNode> all =
                methods().map(each -> fixtures.get((String) each.get()[0])).toList();
        for (int i = 0; i < all.size(); i++) {
            for (int j = 0; j < i; j++) {
                assertThat(distance(all.get(i), all.get(j)))
                        .as("%d and %d", i, j)
                        .isGreaterThan(0.01);
            }
        }
    }

    private static double distance(JsonNode one, JsonNode other) {
        double distance = 0;
        for (int step = 0; step < 3; step++) {
            for (int i = 0; i < one.get(step).size(); i++) {
                double difference = one.get(step).get(i).doubleValue()
                        - other.get(step).get(i).doubleValue();
                distance = Math.max(distance, Math.abs(difference));
            }
        }
        return distance;
    }

    private static float[] combine(Guider guider, int picture, int step) {
        try (PointerScope scope = new PointerScope()) {
            Tensor guided = guider.combine(picture, step, tensor("positive", step), tensor("negative", step));
            return Tensors.toFloats(guided);
        }
    }

    private static Tensor tensor(String name, int step) {
        JsonNode values = fixtures.get(name).get(step);
        float[] floats = new float[values.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values.get(i).doubleValue();
        }
        return Tensors.of(floats, 2, 3, 4);
    }
}
