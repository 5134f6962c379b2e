package io.github.zimage.internal.nn;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Holds every attention backend against softmax(q k^T) v in FP64, over shapes that fall between the blocks. */
final class AttentionTest {
    private static final List<String> BACKENDS = List.of("blockwise", "sdpa", "flash", "math");

    static Stream<Arguments> shapes() {
        List<Arguments> shapes = new ArrayList<>();
        for (String backend : BACKENDS) {
            for (boolean causal : new boolean[] {false, true}) {
                shapes.add(Arguments.of(backend, 2, 1, 8, causal));
                shapes.add(Arguments.of(backend, 3, 33, 8, causal));
                shapes.add(Arguments.of(backend, 1, 1000, 24, causal));
                shapes.add(Arguments.of(backend, 2, 129, 128, causal));
            }
        }
        // Too many scores for all heads at once, and a number of queries that blocks do not divide.
        shapes.add(Arguments.of("blockwise", 3, 1501, 16, false));
        shapes.add(Arguments.of("blockwise", 3, 1501, 16, true));
        // Blocks of less than 32 queries would be wasteful; so long a sequence has the smallest.
        shapes.add(Arguments.of("blockwise", 1, 3001, 4, false));
        shapes.add(Arguments.of("blockwise", 1, 3001, 4, true));
        return shapes.stream();
    }

    @ParameterizedTest(name = "{0}: {1} heads, {2} tokens, {3} features, causal {4}")
    @MethodSource("shapes")
    void backend_computesAttention(String name, int heads, int tokens, int features, boolean causal) {
        Attention backend = AttentionSelector.select(new AttentionBackend(name), Precision.FP32);
        assertThat(backend.name()).isEqualTo(name);
        try (PointerScope scope = new PointerScope()) {
            // As the blocks give them: [S, H, D], transposed.
            Tensor query = random(tokens, heads, features, 1).div_(new Scalar(Math.sqrt(features)));
            Tensor key = random(tokens, heads, features, 2);
            Tensor value = random(tokens, heads, features, 3);
            Tensor expected = reference(query, key, value, causal);
            Tensor result = backend.attend(query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), causal);
            assertThat(Tensors.isOf(result, ScalarType.Float)).isTrue();
            assertThat(result.sizes().vec().get()).containsExactly(heads, tokens, features);
            // A weighted mean of numbers near 1, of weights that are right to about 1e-6.
            assertThat(largest(result.sub(expected))).isLessThan(5e-6);

            Tensor low = backend.attend(bf16(query), bf16(key), bf16(value), causal);
            assertThat(Tensors.isOf(low, ScalarType.BFloat16)).isTrue();
            // 8 bits of queries, keys, weights, values and results.
            assertThat(largest(low.sub(expected))).isLessThan(0.1);
        }
    }

    // e^89 is infinite in FP32, and these scores reach thousands. There the last bit is 5e-4, by which exp then
    // differs.
    @Test
    void largeScores_stayFinite() {
        try (PointerScope scope = new PointerScope()) {
            Tensor x = random(40, 1, 8, 1).mul_(new Scalar(30.0));
            Tensor value = random(40, 1, 8, 2);
            for (String name : BACKENDS) {
                Tensor result = AttentionSelector.select(new AttentionBackend(name), Precision.FP32)
                        .attend(x.transpose(0, 1), x.transpose(0, 1), value.transpose(0, 1), false);
                assertThat(largest(result.sub(reference(x, x, value, false))))
                        .as(name)
                        .isLessThan(1e-3);
            }
        }
    }

    @Test
    void names_areThoseThatCanBeSelected() {
        assertThat(AttentionSelector.names()).containsExactly("auto", "blockwise", "sdpa", "flash", "math");
        assertThat(AttentionSelector.select(AttentionBackend.AUTO, Precision.BF16)
                        .name())
                .isIn(BACKENDS);
    }

    // Only what is clearly faster in the mean is taken; blockwise is first. On 16 cores with AMX the parts were 0.88
    // and 0.03.
    @Test
    void choose_takesAnotherBackendOnlyIfItIsClearlyFaster() {
        Attention blockwise = BlockwiseAttention.INSTANCE;
        assertThat(chosen(0.9, 0.9)).isEqualTo(blockwise);
        assertThat(chosen(0.8, 1)).isEqualTo(blockwise);
        assertThat(chosen(0.88, 0.03)).isEqualTo(LibTorchAttention.SDPA);
        assertThat(chosen(0.8, 0.8)).isEqualTo(LibTorchAttention.SDPA);
        List<AttentionSelector.Speed> hopeless = List.of(
                new AttentionSelector.Speed(blockwise, 1152, 5),
                new AttentionSelector.Speed(LibTorchAttention.SDPA, 1152, 1),
                new AttentionSelector.Speed(LibTorchAttention.SDPA, 4224, 13));
        assertThat(AttentionSelector.choose(hopeless)).isEqualTo(LibTorchAttention.SDPA);
        List<AttentionSelector.Speed> needsMemory = List.of(
                new AttentionSelector.Speed(blockwise, 1152, 1),
                new AttentionSelector.Speed(LibTorchAttention.MATH, 1152, 0.1),
                new AttentionSelector.Speed(blockwise, 4224, 1),
                new AttentionSelector.Speed(LibTorchAttention.MATH, 4224, 0.1));
        assertThat(AttentionSelector.choose(needsMemory)).isEqualTo(blockwise);
    }

    /** Returns the choice where SDPA takes a part of the time of ours, with few tokens and with many. */
    private static Attention chosen(double few, double many) {
        return AttentionSelector.choose(List.of(
                new AttentionSelector.Speed(BlockwiseAttention.INSTANCE, 1152, 1),
                new AttentionSelector.Speed(LibTorchAttention.SDPA, 1152, few),
                new AttentionSelector.Speed(BlockwiseAttention.INSTANCE, 4224, 1),
                new AttentionSelector.Speed(LibTorchAttention.SDPA, 4224, many)));
    }

    private static Tensor reference(Tensor query, Tensor key, Tensor value, boolean causal) {
        Tensor q = query.transpose(0, 1).to(ScalarType.Double);
        Tensor k = key.transpose(0, 1).to(ScalarType.Double);
        Tensor v = value.transpose(0, 1).to(ScalarType.Double);
        Tensor scores = q.matmul(k.transpose(1, 2));
        if (causal) {
            Tensor future =
                    torch.ones(new long[] {q.size(1), q.size(1)}).triu(1).to(ScalarType.Bool);
            scores.masked_fill_(future, new Scalar(Double.NEGATIVE_INFINITY));
        }
        return torch.softmax(scores, -1).matmul(v);
    }

    private static Tensor bf16(Tensor x) {
        return x.transpose(0, 1).to(ScalarType.BFloat16);
    }

    private static double largest(Tensor x) {
        return x.abs().max().to(ScalarType.Double).item_double();
    }

    private static Tensor random(int tokens, int heads, int features, long seed) {
        Random random = new Random(seed);
        float[] values = new float[tokens * heads * features];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensors.of(values, tokens, heads, features);
    }
}
