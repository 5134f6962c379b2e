package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.NativeRuntime;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Argument;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Protects calls by name from operators that take something else: LibTorch would read the arguments as what they are not. */
final class CudaAttentionTest {
    @Test
    void arguments_areThoseOfTheSchema() {
        NativeRuntime.load();
        for (CudaAttention attention : CudaAttention.ALL) {
            try (PointerScope scope = new PointerScope()) {
                Argument schema = Dispatcher.singleton()
                        .findSchemaOrThrow(attention.operator(), "")
                        .schema()
                        .arguments();
                IValue tensor = new IValue(torch.zeros(1));
                var given = attention.arguments().of(tensor, tensor, tensor, true);
                assertThat((long) given.size()).as(attention.name()).isEqualTo(schema.limit());
                for (int i = 0; i < given.size(); i++) {
                    String type = schema.getPointer(i).type().get().str().getString();
                    String name = schema.getPointer(i).name().getString();
                    String what = attention.name() + " " + name + " " + type;
                    IValue value = given.get(i);
                    switch (type) {
                        case "Tensor" -> assertThat(value.isTensor()).as(what).isTrue();
                        case "bool" -> assertThat(value.isBool()).as(what).isTrue();
                        case "float" -> assertThat(value.isDouble()).as(what).isTrue();
                        case "float?" -> assertThat(value.isDouble()).as(what).isTrue();
                        default -> assertThat(value.isNone()).as(what).isTrue();
                    }
                    if (name.equals("is_causal")) {
                        assertThat(value.toBool()).as(what).isTrue();
                    }
                }
            }
        }
    }

    @Test
    void math_isAttention() {
        NativeRuntime.load();
        try (PointerScope scope = new PointerScope()) {
            Tensor query = torch.randn(2, 5, 8);
            Tensor key = torch.randn(2, 5, 8);
            Tensor value = torch.randn(2, 5, 8);
            Tensor expected =
                    torch.softmax(query.matmul(key.transpose(1, 2)), -1).matmul(value);
            Tensor actual = CudaAttention.MATH.attend(query, key, value, false);
            assertThat(actual.sub(expected).abs().max().lt(new Scalar(1e-5)).item_bool())
                    .isTrue();
        }
    }

    @Test
    void automatic_goesByCard() {
        assertThat(CudaDevice.automatic(90, Precision.BF16)).isEqualTo(CudaAttention.CUDNN);
        assertThat(CudaDevice.automatic(100, Precision.FP8)).isEqualTo(CudaAttention.CUDNN);
        assertThat(CudaDevice.automatic(89, Precision.BF16)).isEqualTo(CudaAttention.FLASH);
        assertThat(CudaDevice.automatic(120, Precision.BF16)).isEqualTo(CudaAttention.FLASH);
        assertThat(CudaDevice.automatic(90, Precision.FP32)).isEqualTo(CudaAttention.MEM_EFFICIENT);
        assertThat(CudaDevice.automatic(75, Precision.BF16)).isEqualTo(CudaAttention.MEM_EFFICIENT);
    }
}
