package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Attention head by head and query block by query block, made of plain matrix products, which oneDNN computes at full speed also on
 * processors where LibTorch's own kernel falls back to a slow BLAS. The scores of a block stay in the cache. Where those of all heads
 * do, the heads are computed together, in a tenth of the calls.
 */
final class BlockwiseAttention implements Attention {
    static final BlockwiseAttention INSTANCE = new BlockwiseAttention();

    private static final long SCORES_PER_BLOCK = 512 * 1024;

    private BlockwiseAttention() {}

    @Override
    public String name() {
        return "blockwise";
    }

    @Override
    public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
        long h = query.size(0);
        long s = query.size(1);
        long d = query.size(2);
        // oneDNN has no FP32 products of several matrices at once in LibTorch.
        if (h > 1 && h * s * key.size(1) <= SCORES_PER_BLOCK && Tensors.isOf(query, ScalarType.BFloat16)) {
            return attendTogether(query, key, value, causal);
        }
        Tensor result = Tensors.empty(query.scalar_type(), s, h, d);
        for (long head = 0; head < h; head++) {
            try (PointerScope scope = new PointerScope()) {
                attendHead(
                        query.select(0, head).contiguous(),
                        key.select(0, head).contiguous(),
                        value.select(0, head),
                        result.select(1, head),
                        causal);
            }
        }
        return result.transpose(0, 1);
    }

    /** Returns the length of blocks that are as few as their largest length allows, and as long as each other. */
    private static long evenBlock(long length, long largest) {
        long blocks = (length + largest - 1) / largest;
        return (length + blocks - 1) / blocks;
    }

    private static Tensor attendTogether(Tensor query, Tensor key, Tensor value, boolean causal) {
        Tensor scores = query.bmm(key.transpose(1, 2)); // [H, S, T]
        if (causal) {
            hideFuture(scores);
        }
        return torch.softmax(scores, -1).bmm(value);
    }

    /** Hides from each row, the last of which sees all, what comes after it. */
    private static void hideFuture(Tensor scores) {
        long rows = scores.size(-2);
        Tensor future = torch.ones(new long[] {rows, rows}).triu(1).to(ScalarType.Bool);
        scores.narrow(-1, scores.size(-1) - rows, rows).masked_fill_(future, new Scalar(Double.NEGATIVE_INFINITY));
    }

    private static void attendHead(Tensor query, Tensor key, Tensor value, Tensor result, boolean causal) {
        Tensor valueTransposed = value.t().contiguous(); // [T, D] -> [D, T]
        long s = query.size(0);
        long t = key.size(0);
        long block = evenBlock(s, Math.max(32, SCORES_PER_BLOCK / t));
        for (long start = 0; start < s; start += block) {
            try (PointerScope scope = new PointerScope()) {
                long rows = Math.min(block, s - start);
                long seen = causal ? start + rows : t;
                Tensor scores = MatrixProduct.transposed(
                        query.narrow(0, start, rows), key.narrow(0, 0, seen), null); // [rows, seen]
                if (causal) {
                    hideFuture(scores);
                }
                Tensor probabilities = torch.softmax(scores, -1);
                Tensor seenValues = seen == t
                        ? valueTransposed
                        : valueTransposed.narrow(1, 0, seen).contiguous();
                result.narrow(0, start, rows).copy_(MatrixProduct.transposed(probabilities, seenValues, null));
            }
        }
    }
}
