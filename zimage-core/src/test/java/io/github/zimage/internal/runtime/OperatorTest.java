package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

final class OperatorTest {
    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    // A result that lay in the memory of the call's arguments was once read after they were freed.
    @Test
    void result_outlivesTheScopeOfTheCall() {
        try (PointerScope scope = new PointerScope()) {
            Tensor x = Tensors.of(new float[] {-1, 2}, 2);
            Tensor result = Tensors.scoped(() -> Operator.find("aten::relu", "").call(new IValue(x)));
            for (int i = 0; i < 100; i++) {
                Tensors.scoped(() -> Operator.find("aten::relu", "").call(new IValue(torch.ones(2))));
            }
            assertThat(Tensors.toFloats(result)).containsExactly(0, 2);
        }
    }

    @Test
    void call_leavesOnlyItsResult() {
        try (PointerScope scope = new PointerScope()) {
            IValue argument = new IValue(torch.ones(2));
            Operator relu = Operator.find("aten::relu", "");
            long before = Pointer.totalCount();
            Tensor result = relu.call(argument);
            assertThat(Pointer.totalCount() - before).isEqualTo(1);
            assertThat(Tensors.toFloats(result)).containsExactly(1, 1);
        }
    }

    @Test
    void unknownOperator_isRefusedByLibTorch() {
        assertThatThrownBy(() -> Operator.find("zimage::nothing", ""))
                .isExactlyInstanceOf(RuntimeException.class)
                .hasMessageContaining("zimage::nothing");
    }
}
