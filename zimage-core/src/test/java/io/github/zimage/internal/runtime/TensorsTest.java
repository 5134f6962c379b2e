package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Precision;
import java.util.concurrent.atomic.AtomicReference;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

final class TensorsTest {
    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    // The peak of a forward pass is one block's activations only if each block's temporaries go when it returns.
    @Test
    void scoped_freesTemporaries_andKeepsTheResultInTheScopeAround() {
        AtomicReference<Tensor> temporary = new AtomicReference<>();
        Tensor result;
        try (PointerScope scope = new PointerScope()) {
            result = Tensors.scoped(() -> {
                temporary.set(torch.ones(2));
                return temporary.get().add(temporary.get());
            });
            assertThat(temporary.get().isNull()).isTrue();
            assertThat(Tensors.toFloats(result)).containsExactly(2, 2);
        }
        assertThat(result.isNull()).isTrue();
    }

    @Test
    void scoped_canBeNested() {
        try (PointerScope scope = new PointerScope()) {
            long before = Pointer.totalCount();
            Tensor result = Tensors.scoped(() -> Tensors.scoped(() -> Tensors.scoped(() -> torch.ones(3))));
            assertThat(Tensors.toFloats(result)).containsExactly(1, 1, 1);
            assertThat(Pointer.totalCount() - before).isEqualTo(1);
        }
    }

    @Test
    void scoped_withoutAScopeAround_givesAResultThatItsCallerCloses() {
        long before = Pointer.totalCount();
        Tensor result = Tensors.scoped(() -> torch.ones(3));
        assertThat(Tensors.toFloats(result)).containsExactly(1, 1, 1);
        result.close();
        assertThat(Pointer.totalCount()).isEqualTo(before);
    }

    @Test
    void keep_outlivesTheScope() {
        Tensor kept;
        try (PointerScope scope = new PointerScope()) {
            kept = Tensors.keep(torch.ones(2));
        }
        assertThat(Tensors.toFloats(kept)).containsExactly(1, 1);
        kept.close();
        assertThat(kept.isNull()).isTrue();
    }

    @Test
    void values_comeAndGoRowByRow() {
        try (PointerScope scope = new PointerScope()) {
            float[] values = {1, 2, 3, 4, 5, 6};
            Tensor tensor = Tensors.of(values, 2, 3);
            values[0] = 9;
            assertThat(Tensors.toFloats(tensor)).containsExactly(1, 2, 3, 4, 5, 6);
            assertThat(Tensors.toFloats(tensor.t())).containsExactly(1, 4, 2, 5, 3, 6);
            assertThat(Tensors.toFloats(tensor.to(ScalarType.BFloat16).select(1, 2)))
                    .containsExactly(3, 6);
        }
    }

    @Test
    void cast_copiesOnlyIfItMust() {
        try (PointerScope scope = new PointerScope()) {
            Tensor tensor = torch.ones(2);
            assertThat(Tensors.cast(tensor, Tensors.scalarType(Precision.FP32))).isSameAs(tensor);
            Tensor bf16 = Tensors.cast(tensor, Tensors.scalarType(Precision.BF16));
            assertThat(Tensors.isOf(bf16, ScalarType.BFloat16)).isTrue();
            assertThat(Tensors.isOf(bf16, ScalarType.Float)).isFalse();
            // Types that come out of native code are other objects than the constants.
            assertThat(Tensors.cast(bf16, bf16.scalar_type())).isSameAs(bf16);
        }
    }
}
