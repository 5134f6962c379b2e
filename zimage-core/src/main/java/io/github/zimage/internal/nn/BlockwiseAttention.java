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

    /** Scores and the weights made of them, of one block. Twice as many BF16 numbers as FP32 ones. */
    private static final long BYTES_PER_BLOCK = 2 << 20;

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
        if (h > 1
                && h * s * key.size(1) <= BYTES_PER_BLOCK / query.element_size()
                && Tensors.isOf(query, ScalarType.BFloat16)) {
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
        boolean bf16 = Tensors.isOf(query, ScalarType.BFloat16);
        Tensor values =
                bf16 ? value : value.t().contiguous(); // [T, D], or [D, T] for products with a transposed matrix
        long s = query.size(0);
        long t = key.size(0);
        long largest = Math.max(32, BYTES_PER_BLOCK / query.element_size() / t);
        EvenParts.run(s, largest, (start, rows) -> {
            long seen = causal ? start + rows : t;
            Tensor queries = query.narrow(0, start, rows);
            Tensor keys = key.narrow(0, 0, seen);
            Tensor scores = bf16 ? queries.mm(keys.t()) : MatrixProduct.transposed(queries, keys, null); // [rows, seen]
            if (causal) {
                hideFuture(scores);
            }
            Tensor probabilities = torch.softmax(scores, -1);
            result.narrow(0, start, rows)
                    .copy_(
                            bf16
                                    ? probabilities.mm(values.narrow(0, 0, seen))
                                    : MatrixProduct.transposed(
                                            probabilities,
                                            values.narrow(1, 0, seen).contiguous(),
                                            null));
        });
    }
}
