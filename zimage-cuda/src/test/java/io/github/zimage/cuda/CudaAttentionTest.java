package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.spi.Attention;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Argument;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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

    private static CudaCard card(int capability) {
        return new CudaCard(0, "a card", capability, 80L << 30);
    }

    @Test
    void named_isThatOne_whereItRuns() {
        for (CudaAttention each : CudaAttention.ALL) {
            assertThat(CudaDevice.attention(new AttentionBackend(each.name()), Precision.BF16, card(80)))
                    .isEqualTo(each);
        }
        assertThat(CudaDevice.attention(AttentionBackend.AUTO, Precision.BF16, card(90)))
                .isEqualTo(CudaAttention.CUDNN);
    }

    @Test
    void named_whereItCannotRun_saysWhy() {
        for (AttentionBackend each : List.of(AttentionBackend.FLASH, AttentionBackend.CUDNN)) {
            assertThatThrownBy(() -> CudaDevice.attention(each, Precision.BF16, card(75)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll(each.name(), "a card", "compute capability 8.0 and later");
            assertThatThrownBy(() -> CudaDevice.attention(each, Precision.FP32, card(90)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll(each.name(), "does not compute in FP32; use mem_efficient or math");
        }
        AttentionBackend flash3 = new AttentionBackend(FlashAttention3.NAME);
        assertThatThrownBy(() -> CudaDevice.attention(flash3, Precision.BF16, card(80)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("it is for compute capability 9.0");
        assertThatThrownBy(() -> CudaDevice.attention(new AttentionBackend("none-such"), Precision.BF16, card(90)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("attention on cards must be one of auto, cudnn, flash, mem_efficient, math, _flash_3,"
                        + " but was none-such");
    }

    /** What another library brings. */
    public static final class Provided implements Attention {
        @Override
        public String name() {
            return "provided";
        }

        @Override
        public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
            return query;
        }
    }

    @Test
    void provided_isFoundOnCards(@TempDir Path folder) throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(Attention.class.getName()), Provided.class.getName());
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try (URLClassLoader loader =
                new URLClassLoader(new URL[] {folder.toUri().toURL()}, before)) {
            thread.setContextClassLoader(loader);
            assertThat(CudaDevice.attention(new AttentionBackend("provided"), Precision.BF16, card(75)))
                    .isInstanceOf(Provided.class);
            assertThatThrownBy(() -> CudaDevice.attention(new AttentionBackend("none-such"), Precision.BF16, card(75)))
                    .hasMessageContaining("_flash_3, provided, but was none-such");
        } finally {
            thread.setContextClassLoader(before);
        }
    }
}
