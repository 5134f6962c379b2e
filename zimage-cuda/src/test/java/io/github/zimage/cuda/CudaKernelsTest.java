package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Precision;
import io.github.zimage.internal.nn.AtenKernels;
import io.github.zimage.internal.nn.Heads;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Protects what launches pass: with kernels that do what their descriptions say, all must come out as LibTorch's operators have it. */
final class CudaKernelsTest {
    private static final double EPS = 1e-5;

    private final InterpretedKernels interpreted = new InterpretedKernels();
    private PointerScope scope;
    private Kernels kernels;
    private Kernels aten;

    @BeforeEach
    void begin() {
        NativeRuntime.load();
        scope = new PointerScope();
        kernels = new CudaKernels(TensorPlace.CPU, CudaAttention.MATH, Precision.BF16, interpreted);
        aten = new AtenKernels(TensorPlace.CPU, CudaAttention.MATH, Precision.BF16);
        torch.manual_seed(1);
    }

    @AfterEach
    void end() {
        scope.close();
    }

    private static Tensor bf16(long... shape) {
        return torch.randn(shape).to(ScalarType.BFloat16);
    }

    private void same(Tensor actual, Tensor expected) {
        assertThat(actual.scalar_type().intern())
                .isEqualTo(expected.scalar_type().intern());
        assertThat(actual.sizes().vec().get()).isEqualTo(expected.sizes().vec().get());
        double error = actual.to(ScalarType.Float)
                .sub(expected.to(ScalarType.Float))
                .abs()
                .max()
                .item_float();
        double largest = expected.to(ScalarType.Float).abs().max().item_float();
        assertThat(error).isLessThan(0.01 * largest);
    }

    @Test
    void norms_areThoseOfOperators() {
        Tensor x = torch.randn(5, 48);
        Rows y = Rows.of(bf16(5, 48));
        Tensor scale = torch.randn(48);
        Tensor next = torch.randn(48);
        Tensor same = x.clone();

        same(
                kernels.normScale(x, scale, EPS).values(),
                aten.normScale(x, scale, EPS).values());
        same(
                kernels.addNormScaleNorm(x, y, scale, next, EPS).values(),
                aten.addNormScaleNorm(same, y, scale, next, EPS).values());
        same(x, same);
        kernels.addNormScale(x, y, scale, EPS);
        aten.addNormScale(same, y, scale, EPS);
        same(x, same);
        assertThat(interpreted.launched).containsExactly("norm_scale", "add_norm_scale_norm_scale", "add_norm_scale");
    }

    @Test
    void heads_ofJointProducts_areThoseOfOperators() {
        Tensor x = torch.randn(5, 48);
        Tensor norm = torch.randn(48);
        Tensor weight = bf16(3 * 64, 48);
        JointProjection qkv = rows -> {
            Tensor all = torch.linear(rows.values(), weight);
            return List.of(
                    Rows.of(all.narrow(1, 0, 64)), Rows.of(all.narrow(1, 64, 64)), Rows.of(all.narrow(1, 128, 64)));
        };
        Tensor rotation = torch.view_as_complex(torch.randn(5, 1, 16, 2));
        Heads.Recipe recipe = new Heads.Recipe(2, torch.randn(32), torch.randn(32), EPS, rotation, rotation);

        Heads actual = kernels.heads(x, norm, EPS, qkv, recipe);
        Heads expected = aten.heads(x, norm, EPS, qkv, recipe);

        same(actual.query(), expected.query());
        same(actual.key(), expected.key());
        same(actual.value(), expected.value());
        assertThat(interpreted.launched).containsExactly("norm_scale", "qk_norm_rope", "qk_norm_rope");
    }

    @Test
    void swiglu_ofHalvesOfOneProduct_isThatOfOperators() {
        Tensor both = bf16(3, 2 * 1040);
        Rows gate = Rows.of(both.narrow(1, 0, 1040));
        Rows up = Rows.of(both.narrow(1, 1040, 1040));
        same(kernels.swiglu(gate, up).values(), aten.swiglu(gate, up).values());
        assertThat(interpreted.launched).containsExactly("swiglu");
    }

    // Readers add what adapters add, by a kernel for as many ranks as there are, or in place where there is none.
    @Test
    void lowRankAdditions_areReadByKernels() {
        Tensor x = torch.randn(70, 48);
        Tensor norm = torch.randn(48);
        Tensor rotation = torch.view_as_complex(torch.randn(70, 1, 16, 2));
        Heads.Recipe recipe = new Heads.Recipe(2, torch.randn(32), torch.randn(32), EPS, rotation, rotation);
        for (int ranks : List.of(16, 64, 80)) {
            interpreted.launched.clear();
            Tensor all = bf16(70, 5 * 64);
            Tensor inner = bf16(70, 5L * ranks);
            List<Rows> rows = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                Rows.Added added = new Rows.Added(inner.narrow(1, (long) i * ranks, ranks), bf16(64, ranks));
                rows.add(new Rows(all.narrow(1, 64L * i, 64), null, added));
            }
            List<Rows> plain = rows.stream().map(each -> Rows.of(each.floats())).toList();

            same(
                    kernels.swiglu(rows.get(3), rows.get(4)).values().to(ScalarType.Float),
                    aten.swiglu(plain.get(3), plain.get(4)).values().to(ScalarType.Float));
            Heads actual = kernels.heads(x, norm, EPS, each -> rows.subList(0, 3), recipe);
            Heads expected = aten.heads(x, norm, EPS, each -> plain.subList(0, 3), recipe);
            same(actual.query(), expected.query());
            same(actual.key(), expected.key());
            same(actual.value(), expected.value());
            String ending = ranks > 64 ? "" : ranks > 32 ? "_added_64" : "_added_32";
            String heads = "qk_norm_rope" + ending;
            assertThat(interpreted.launched).containsExactly("swiglu" + ending, "norm_scale", heads, heads);
        }
    }

    @Test
    void groupNorms_areThoseOfOperators() {
        Tensor x = bf16(1, 128, 9, 11).contiguous(MemoryFormat.ChannelsLast);
        Tensor weight = bf16(128);
        Tensor bias = bf16(128);
        same(kernels.groupNorm(x, weight, bias, 32, EPS), aten.groupNorm(x, weight, bias, 32, EPS));
        Tensor result = kernels.groupNormSilu(x, weight, bias, 32, EPS);
        same(result, aten.groupNormSilu(x, weight, bias, 32, EPS));
        assertThat(result.is_contiguous(MemoryFormat.ChannelsLast)).isTrue();
        assertThat(interpreted.launched).contains("group_statistics_128", "group_norm_128", "group_norm_silu_128");

        Tensor exact = kernels.groupNormSilu(x, weight.to(ScalarType.Float), bias.to(ScalarType.Float), 32, EPS);
        same(exact, aten.groupNormSilu(x, weight.to(ScalarType.Float), bias.to(ScalarType.Float), 32, EPS));
        assertThat(exact.is_contiguous(MemoryFormat.ChannelsLast)).isTrue();
        assertThat(interpreted.launched).endsWith("group_norm_silu_fp32_128");
    }

    @Test
    void whatKernelsAreNotFor_operatorsDo() {
        Tensor x = torch.randn(3, 20);
        Tensor scale = torch.randn(20);
        same(
                kernels.normScale(x, scale, EPS).values(),
                aten.normScale(x, scale, EPS).values());
        assertThat(interpreted.launched).as("20 is not a multiple of 16").isEmpty();
    }

    @Test
    void eightBits_areNearBf16() {
        Tensor x = torch.randn(20, 64);
        Tensor scale = torch.randn(64);
        Tensor exact = Kernels.rmsNorm(x, scale, EPS);
        for (Precision precision : List.of(Precision.INT8, Precision.FP8)) {
            Rows rows = new EightBits(TensorPlace.CPU, precision, interpreted).normScale(x, scale, EPS);
            Tensor back = rows.values().to(ScalarType.Float).mul(rows.scale());
            double error = back.sub(exact).norm().item_float() / exact.norm().item_float();
            assertThat(error).as("%s", precision).isLessThan(precision == Precision.INT8 ? 0.012 : 0.04);
        }
    }

    @Test
    void eightBits_areMadeWhereTheStreamIsAddedTo() {
        kernels = new CudaKernels(TensorPlace.CPU, CudaAttention.MATH, Precision.INT8, interpreted);
        Tensor x = torch.randn(5, 48);
        Tensor same = x.clone();
        Rows y = Rows.of(bf16(5, 48));
        Tensor scale = torch.randn(48);
        Tensor next = torch.randn(48);

        Rows actual = kernels.addNormScaleNorm(x, y, scale, next, EPS);
        Tensor expected = aten.addNormScaleNorm(same, y, scale, next, EPS).floats();

        same(x, same);
        same(actual.values().to(ScalarType.Float).mul(actual.scale()), expected);
        assertThat(interpreted.launched).containsExactly("add_norm_scale_norm_scale_quantise_int8");
    }
}
