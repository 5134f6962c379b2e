package io.github.zimage.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.runtime.NativeRuntime;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Protects that calls are counted by what they leave on the Java heap. */
class NativeCallsTest {
    @Test
    void calls_areAboutAsManyAsWereMade() {
        NativeRuntime.load();
        NativeCalls call = NativeCalls.measure();
        int calls = 10_000;
        long before = NativeCalls.allocatedBytes();
        try (PointerScope scope = new PointerScope()) {
            Tensor x = torch.ones(10);
            for (int i = 0; i < calls; i++) {
                try (PointerScope inner = new PointerScope()) {
                    x.add(x);
                }
            }
        }
        double counted = (NativeCalls.allocatedBytes() - before) / call.bytes();
        // Another operation has other arguments, but a result, too.
        assertThat(counted).isBetween(calls * 0.5, calls * 2.0);
    }
}
