package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class NativeErrorsTest {
    // The message that LibTorch gives is that of a real failure here, so that the words looked for are LibTorch's.
    @Test
    void allocationThatFails_isOutOfMemory() {
        NativeRuntime.load();
        RuntimeException translated = NativeErrors.translate(failure(() -> torch.empty(1L << 46)));
        assertThat(translated)
                .isInstanceOf(OutOfDeviceMemoryException.class)
                .hasMessageContaining("draw a smaller picture")
                .hasCauseInstanceOf(RuntimeException.class);
        assertThat(translated.getMessage().lines()).hasSize(1);
    }

    @Test
    void failureOfAnOperator_isSaidInOneLine() {
        NativeRuntime.load();
        RuntimeException failure = failure(() -> torch.ones(2, 3).mm(torch.ones(2, 3)));
        assertThat(failure.getMessage().lines().count()).as("C++ trace").isGreaterThan(1);
        assertThat(NativeErrors.translate(failure))
                .isExactlyInstanceOf(ZImageException.class)
                .hasMessage("LibTorch failed: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)")
                .hasCause(failure);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
                "DefaultCPUAllocator: not enough memory: you tried to allocate 5 bytes.",
                "unable to mmap 8 bytes from file </m/x.safetensors>: Cannot allocate memory (12)",
                "std::bad_alloc",
                "CUDA out of memory. Tried to allocate 2.00 GiB",
            })
    void everyWordForOutOfMemory_isKnown(String message) {
        RuntimeException failure = new RuntimeException(message + "\nException raised from alloc");
        failure.setStackTrace(
                new StackTraceElement[] {new StackTraceElement("org.bytedeco.pytorch.Tensor", "add", null, -2)});
        assertThat(NativeErrors.translate(failure))
                .isInstanceOf(OutOfDeviceMemoryException.class)
                .hasMessageContaining(message);
    }

    // Mistakes in Java code must stay recognisable as such.
    @ParameterizedTest
    @MethodSource
    void whatIsNotNative_staysAsItIs(RuntimeException e) {
        assertThat(NativeErrors.translate(e)).isSameAs(e);
    }

    static Stream<RuntimeException> whatIsNotNative_staysAsItIs() {
        return Stream.of(
                new GenerationCancelledException("cancelled"),
                new IllegalArgumentException("width"),
                new IllegalStateException("closed"),
                new NullPointerException("x"),
                new RuntimeException("thrown by a listener"),
                new UncheckedIOException(new IOException("disk")));
    }

    @Test
    void bytesThatWereAskedFor_areKnown() {
        NativeRuntime.load();
        assertThat(NativeErrors.requestedBytes(failure(() -> torch.empty(1L << 46))))
                .isEqualTo(4L << 46);
        assertThat(NativeErrors.requestedBytes(new RuntimeException("CUDA out of memory. Tried to allocate 2.50 GiB.")))
                .isEqualTo(5L << 29);
        assertThat(NativeErrors.requestedBytes(new RuntimeException("std::bad_alloc")))
                .isZero();
        assertThat(NativeErrors.requestedBytes(new RuntimeException())).isZero();
    }

    @Test
    void firstLine_isNeverEmpty() {
        assertThat(NativeErrors.firstLine(new RuntimeException("\n  first \r\nsecond")))
                .isEqualTo("first");
        assertThat(NativeErrors.firstLine(new RuntimeException())).isEqualTo("RuntimeException");
        assertThat(NativeErrors.firstLine(new IllegalStateException(" \n "))).isEqualTo("IllegalStateException");
    }

    private static RuntimeException failure(Runnable nativeCall) {
        try (PointerScope scope = new PointerScope()) {
            nativeCall.run();
        } catch (RuntimeException e) {
            return e;
        }
        throw new AssertionError("the call did not fail");
    }
}
