package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import java.util.function.Consumer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Protects pictures from kernels that a driver refuses or that compute wrongly. */
final class CudaDeviceTest {
    private static final long CARD = 80L << 30;

    private final Logger log = (Logger) LoggerFactory.getLogger(CudaDevice.class);
    private final ListAppender<ILoggingEvent> events = new ListAppender<>();

    @BeforeEach
    void begin() {
        NativeRuntime.load();
        events.start();
        log.addAppender(events);
    }

    @AfterEach
    void restore() {
        log.detachAppender(events);
    }

    /** Launches with the interpreter, or does something else. */
    private abstract static class Kernels implements Launcher {
        final InterpretedKernels interpreted = new InterpretedKernels();

        @Override
        public boolean has(String kernel) {
            return interpreted.has(kernel);
        }

        @Override
        public void launch(String kernel, long gridX, long gridY, Consumer<KernelArguments> fill) {
            interpreted.launch(kernel, gridX, gridY, fill);
        }
    }

    private static Launcher tried(Launcher candidate) {
        try (PointerScope scope = new PointerScope()) {
            return CudaDevice.tried(candidate, TensorPlace.CPU, new CudaCard(0, "a card", 90, CARD));
        }
    }

    private void assertWarned(String what) {
        assertThat(events.list).hasSize(1);
        assertThat(events.list.get(0).getLevel()).isEqualTo(Level.WARN);
        assertThat(events.list.get(0).getFormattedMessage())
                .startsWith(what)
                .contains("a card (compute capability 9.0, 80.00 GiB)")
                .endsWith("LibTorch's operators are used, which are slower");
    }

    @Test
    void kernelsThatCompute_areUsed() {
        Kernels right = new Kernels() {};
        assertThat(tried(right)).isSameAs(right);
        assertThat(right.interpreted.launched).containsExactly("norm_scale");
        assertThat(events.list).isEmpty();
    }

    @Test
    void kernelsThatTheDriverRefuses_areNotUsed() {
        Launcher refused = new Kernels() {
            @Override
            public void launch(String kernel, long gridX, long gridY, Consumer<KernelArguments> fill) {
                throw new ZImageException("CUDA failed: cuModuleLoadData of norm_scale.sm_90.ptx gave error 222");
            }
        };
        assertThat(tried(refused)).isSameAs(Launcher.NONE);
        assertWarned("zimage's kernels do not run on ");
        assertThat(events.list.get(0).getFormattedMessage()).contains("gave error 222");
    }

    @Test
    void kernelsThatComputeSomethingElse_areNotUsed() {
        Launcher wrong = new Kernels() {
            @Override
            public void launch(String kernel, long gridX, long gridY, Consumer<KernelArguments> fill) {
                super.launch(kernel, gridX, gridY, fill);
                KernelArguments arguments =
                        new KernelArguments(new KernelManifest().kernels().get(kernel));
                fill.accept(arguments);
                long out = arguments.complete().getLong(2 * KernelArguments.STRIDE);
                Pointer.memset(
                        new Pointer() {
                            {
                                address = out;
                            }
                        },
                        0,
                        Short.BYTES); // the first of all numbers
            }
        };
        assertThat(tried(wrong)).isSameAs(Launcher.NONE);
        assertWarned("zimage's kernels compute wrongly on ");
    }

    @Test
    void cardWithoutKernels_isNotTried() {
        assertThat(tried(Launcher.NONE)).isSameAs(Launcher.NONE);
        assertThat(events.list).isEmpty();
    }

    @Test
    void flashAttention3_isTakenByItselfWhereItIsGivenAndCanRun() {
        assertThat(CudaDevice.prefersFlash3(90, Precision.BF16)).isFalse();
        System.setProperty(FlashAttention3.PATH_PROPERTY, "lib.so");
        try {
            assertThat(CudaDevice.prefersFlash3(90, Precision.BF16)).isTrue();
            assertThat(CudaDevice.prefersFlash3(90, Precision.FP32)).isFalse();
            assertThat(CudaDevice.prefersFlash3(89, Precision.BF16)).isFalse();
            assertThat(CudaDevice.prefersFlash3(100, Precision.BF16)).isFalse();
        } finally {
            System.clearProperty(FlashAttention3.PATH_PROPERTY);
        }
    }
}
