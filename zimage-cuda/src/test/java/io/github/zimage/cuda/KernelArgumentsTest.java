package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** Protects the card's memory from launches with wrong arguments. */
final class KernelArgumentsTest {
    private final Kernel normScale = new KernelManifest().kernels().get("norm_scale");
    private final KernelArguments arguments = new KernelArguments(normScale);

    @Test
    void complete_hasEachArgumentInItsPlace() {
        ByteBuffer values = normScale(0x7f00_0000_1000L, 3840).complete();
        assertThat(values.capacity()).isEqualTo(7 * KernelArguments.STRIDE);
        assertThat(values.getLong(0)).isEqualTo(0x7f00_0000_1000L);
        assertThat(values.getInt(3 * KernelArguments.STRIDE)).isEqualTo(3840);
        assertThat(values.getFloat(4 * KernelArguments.STRIDE)).isEqualTo(1e-5f);
        assertThat(values.getLong(5 * KernelArguments.STRIDE)).as("no scratch").isZero();
    }

    @Test
    void secondLaunch_replacesTheFirst() {
        normScale(4096, 3840).complete();
        assertThat(normScale(8192, 64).complete().getLong(0)).isEqualTo(8192);
    }

    @Test
    void pointer_thatIsNotAligned_isRefused() {
        assertThatThrownBy(() -> normScale(4104, 3840))
                .hasMessage("norm_scale: argument 0, x, must be a multiple of 16 but was 4104");
    }

    @Test
    void dimension_thatIsNotAligned_isRefused() {
        assertThatThrownBy(() -> normScale(4096, 3841))
                .hasMessage("norm_scale: argument 3, dim, must be a multiple of 16 but was 3841");
    }

    @Test
    void wrongTypeAndCount_areRefused() {
        assertThatThrownBy(() -> arguments.clear().pointer(ArgumentType.BF16_POINTER, 16))
                .hasMessage("norm_scale: argument 0, x, must be FP32_POINTER but was BF16_POINTER");
        assertThatThrownBy(() ->
                        arguments.clear().pointer(ArgumentType.FP32_POINTER, 16).complete())
                .hasMessage("norm_scale takes 5 arguments but was given 1");
        assertThatThrownBy(() -> normScale(4096, 3840).real(1)).hasMessage("norm_scale takes 5 arguments, not more");
        assertThatThrownBy(() -> normScale(4096, 1L << 40))
                .hasMessage("norm_scale: argument 3 must fit 32 bits but was 1099511627776");
    }

    private KernelArguments normScale(long x, long dim) {
        return arguments
                .clear()
                .pointer(ArgumentType.FP32_POINTER, x)
                .pointer(ArgumentType.FP32_POINTER, 32)
                .pointer(ArgumentType.BF16_POINTER, 64)
                .integer(dim)
                .real(1e-5);
    }
}
