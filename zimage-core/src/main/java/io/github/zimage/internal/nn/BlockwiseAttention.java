package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Attention head by head and query block by query block, made of plain matrix products, which oneDNN computes at full speed also on
 * processors where LibTorch's own kernel falls back to a slow BLAS. The scores of a block stay in the cache. Where those of all heads
 * do, the heads are computed together, in a tenth of the calls.
 */
final class BlockwiseAttention implements Attention {
    static final BlockwiseAttention INSTANCE = new BlockwiseAttention();

    /** Scores of one block, which become weights in place. Twice as many BF16 numbers as FP32 ones. */
    private static final long BYTES_PER_BLOCK = 4 << 20;

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
        Tensor room = Tensors.isOf(query, ScalarType.BFloat16) ? roomForScores(query, key) : null;
        for (long head = 0; head < h; head++) {
            try (PointerScope scope = new PointerScope()) {
                attendHead(
                        query.select(0, head).contiguous(),
                        key.select(0, head).contiguous(),
                        value.select(0, head),
                        room,
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

    /** Returns room for the scores of a block, which all blocks share. */
    private static Tensor roomForScores(Tensor query, Tensor key) {
        long t = key.size(1);
        return Tensors.empty(query.scalar_type(), EvenParts.length(query.size(1), rowsPerBlock(query, t)) * t);
    }

    /** Attends with one head; room for the scores is given in BF16 only: FP32 products bring memory of their own. */
    private static void attendHead(
            Tensor query, Tensor key, Tensor value, @Nullable Tensor room, Tensor result, boolean causal) {
        boolean bf16 = room != null;
        Tensor values =
                bf16 ? value : value.t().contiguous(); // [T, D], or [D, T] for products with a transposed matrix
        long t = key.size(0);
        EvenParts.run(query.size(0), rowsPerBlock(query, t), (start, rows) -> {
            long seen = causal ? start + rows : t;
            Tensor queries = query.narrow(0, start, rows);
            Tensor keys = key.narrow(0, 0, seen);
            Tensor scores; // [rows, seen]
            if (room != null) {
                scores = room.narrow(0, 0, rows * seen).view(rows, seen);
                torch.mm_out(scores, queries, keys.t());
            } else {
                scores = MatrixProduct.transposed(queries, keys, null);
            }
            if (causal) {
                hideFuture(scores);
            }
            torch.softmax_out(scores, scores, -1); // row by row, so that one may become the other
            result.narrow(0, start, rows)
                    .copy_(
                            bf16
                                    ? scores.mm(values.narrow(0, 0, seen))
                                    : MatrixProduct.transposed(
                                            scores, values.narrow(1, 0, seen).contiguous(), null));
        });
    }

    private static long rowsPerBlock(Tensor query, long t) {
        return Math.max(32, BYTES_PER_BLOCK / query.element_size() / t);
    }
}
