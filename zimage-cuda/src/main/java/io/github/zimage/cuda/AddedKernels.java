package io.github.zimage.cuda;

import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorPlace;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Kernels that add what adapters add while they read what a linear layer gave, which saves reading and writing that once more. */
final class AddedKernels {
    /** What build.py compiled the kernels for. */
    private static final long TILE = 64;

    private static final long[] RANKS = {32, 64};

    private AddedKernels() {}

    /** Returns the kernel for products of so many ranks; null if there is none. */
    static @Nullable String name(Launcher launcher, String kernel, Rows.Added... products) {
        long ranks = 0;
        long stride = products[0].inner().stride(0);
        for (Rows.Added each : products) {
            Tensor inner = each.inner();
            ranks = Math.max(ranks, inner.size(1));
            boolean fits = inner.size(1) % CudaKernels.VECTOR == 0
                    && inner.stride(0) == stride
                    && stride % CudaKernels.VECTOR == 0
                    && inner.stride(1) == 1
                    && inner.storage_offset() % CudaKernels.VECTOR == 0
                    && each.up().is_contiguous();
            if (!fits) {
                return null;
            }
        }
        for (long each : RANKS) {
            if (ranks <= each && launcher.has(kernel + each)) {
                return kernel + each;
            }
        }
        return null;
    }

    static void qkNormRope(
            Launcher launcher,
            String kernel,
            Tensor x,
            Rows.Added added,
            Tensor norm,
            Tensor rotation,
            Tensor out,
            double eps) {
        long rows = out.size(0);
        long heads = out.size(1);
        long dim = out.size(2);
        launcher.launch(
                kernel,
                CudaKernels.blocks(rows, TILE),
                heads,
                to -> to.pointer(ArgumentType.BF16_POINTER, x)
                        .pointer(ArgumentType.BF16_POINTER, added.inner())
                        .pointer(ArgumentType.BF16_POINTER, added.up())
                        .pointer(ArgumentType.FP32_POINTER, norm)
                        .pointer(ArgumentType.FP32_POINTER, rotation)
                        .pointer(ArgumentType.BF16_POINTER, out)
                        .integer(rows)
                        .integer(dim)
                        .integer(x.stride(0))
                        .integer(added.inner().stride(0))
                        .integer(added.inner().size(1))
                        .integer(heads * dim)
                        .integer(dim)
                        .real(eps));
    }

    /** Returns {@code silu(gate) * up} of the sums, [S, features] bf16. */
    static Tensor swiglu(Launcher launcher, TensorPlace place, String kernel, Rows gate, Rows up) {
        Rows.Added toGate = required(gate);
        Rows.Added toUp = required(up);
        long rows = gate.count();
        long features = gate.values().size(1);
        Tensor out = place.empty(ScalarType.BFloat16, rows, features);
        launcher.launch(
                kernel,
                CudaKernels.blocks(rows, TILE),
                CudaKernels.blocks(features, TILE),
                to -> to.pointer(ArgumentType.BF16_POINTER, gate.values())
                        .pointer(ArgumentType.BF16_POINTER, up.values())
                        .pointer(ArgumentType.BF16_POINTER, toGate.inner())
                        .pointer(ArgumentType.BF16_POINTER, toGate.up())
                        .integer(toGate.inner().size(1))
                        .pointer(ArgumentType.BF16_POINTER, toUp.inner())
                        .pointer(ArgumentType.BF16_POINTER, toUp.up())
                        .integer(toUp.inner().size(1))
                        .pointer(ArgumentType.BF16_POINTER, out)
                        .integer(rows)
                        .integer(features)
                        .integer(gate.values().stride(0))
                        .integer(toGate.inner().stride(0)));
        return out;
    }

    private static Rows.Added required(Rows rows) {
        Rows.Added added = rows.added();
        if (added == null) {
            throw new IllegalArgumentException("nothing is added to the rows");
        }
        return added;
    }
}
