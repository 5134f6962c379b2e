package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.runtime.NativeRuntime;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Protects small memory budgets from what cuDNN would take to try its convolutions. */
final class CudaDeviceTest {
    private static final long CARD = 80L << 30;

    @AfterEach
    void restore() {
        torch.globalContext().setBenchmarkCuDNN(false);
    }

    @Test
    void convolutions_areTriedOnlyWithoutALimit() {
        NativeRuntime.load();
        CudaDevice.chooseConvolutions(Long.MAX_VALUE, CARD);
        assertThat(torch.globalContext().benchmarkCuDNN()).isTrue();
        CudaDevice.chooseConvolutions(16L << 30, CARD);
        assertThat(torch.globalContext().benchmarkCuDNN()).isFalse();
        CudaDevice.chooseConvolutions(CARD, CARD);
        assertThat(torch.globalContext().benchmarkCuDNN()).isTrue();
    }
}
