package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects that whoever passes null to a value's factory or constructor learns which argument it was. */
final class NullArgumentsTest {
    private static final Path FILE = Path.of("x.safetensors");

    @ParameterizedTest
    @MethodSource("calls")
    void null_isRefusedByItsName(String name, ThrowingCallable call) {
        assertThatNullPointerException().isThrownBy(call).withMessage(name + " must not be null");
    }

    static Stream<Arguments> calls() {
        return Stream.of(
                refused("device", () -> Device.parse(null)),
                refused("kind", () -> new Device(null, 0)),
                refused("device", () -> Placement.on(null)),
                refused("device", () -> Placement.parkedOn(null)),
                refused("device", () -> Placement.streamedFrom(null)),
                refused("kind", () -> new Placement(null, null)),
                refused("place", () -> Placement.parse(null)),
                refused("memory", () -> MemorySize.parse(null)),
                refused("size", () -> ImageSize.of(null)),
                refused("mode", () -> new VaeTiling(null, 0)),
                refused("vaeTiling", () -> VaeTiling.parse(null)),
                refused("name", () -> new AttentionBackend(null)),
                refused("folder", () -> ConversionCache.in(null)),
                refused("id", () -> new Component(null, "vae")),
                refused("sampler", () -> Sampling.Sampler.of(null)),
                refused("schedule", () -> Sampling.Schedule.of(null)),
                refused("values", () -> Latents.of(1, 1, 1, null)),
                refused("file", () -> Latents.save(null, List.of())),
                refused("latents", () -> Latents.save(FILE, null)),
                refused("file", () -> Latents.load(null)),
                refused("values", () -> PromptEmbeddings.of(1, 1, null)));
    }

    private static Arguments refused(String name, ThrowingCallable call) {
        return arguments(name, call);
    }
}
