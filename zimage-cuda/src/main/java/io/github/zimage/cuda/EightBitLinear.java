package io.github.zimage.cuda;

import io.github.zimage.internal.nn.Addition;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.Operator;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Linear layers of 8-bit numbers that take the same rows: one product for all of them. */
final class EightBitLinear {
    /** cuBLAS refuses integer products of fewer rows. */
    private static final long LEAST_ROWS = 17;

    private static final long COLUMNS_BLOCK = 1024;

    private final EightBits eightBits;
    private final Tensor weight;
    private final Tensor units;
    private final @Nullable Tensor bias;
    private final long[] widths;

    private EightBitLinear(EightBits eightBits, Tensor weight, Tensor units, @Nullable Tensor bias, long[] widths) {
        this.eightBits = eightBits;
        this.weight = weight;
        this.units = units;
        this.bias = bias;
        this.widths = widths;
    }

    /**
     * Reads layers' weights, rounds them on the card, and leaves the result to the source.
     *
     * @param turned whether the layers will get rows that {@link HadamardRotation} has turned
     */
    static EightBitLinear load(
            EightBits eightBits, TensorSource weights, List<String> names, boolean bias, boolean turned) {
        long[] widths =
                names.stream().mapToLong(name -> shape(weights, name).get(0)).toArray();
        long out = Arrays.stream(widths).sum();
        long in = shape(weights, names.get(0)).get(1);
        try (PointerScope scope = new PointerScope()) {
            Tensor weight = weights.own(eightBits.place().empty(eightBits.type(), out, in));
            Tensor units = weights.own(eightBits.place().empty(ScalarType.Float, 1, out));
            long first = 0;
            for (int i = 0; i < widths.length; i++) {
                long start = first;
                weights.readMatrix(names.get(i) + ".weight", (row, rows) -> {
                    try (PointerScope rounding = new PointerScope()) {
                        Tensor there = Tensors.cast(eightBits.place().take(rows), ScalarType.Float);
                        Rows rounded =
                                eightBits.round(turned ? eightBits.rotation(in).turnExactly(there) : there);
                        weight.narrow(0, start + row, rows.size(0)).copy_(rounded.values());
                        units.narrow(1, start + row, rows.size(0))
                                .copy_(EightBits.scale(rounded).t());
                    }
                });
                first += widths[i];
            }
            Tensor biases = bias ? weights.own(bias(eightBits, weights, names)) : null;
            return new EightBitLinear(eightBits, weight, units, biases, widths);
        }
    }

    private static Tensor bias(EightBits eightBits, TensorSource weights, List<String> names) {
        ScalarType type = eightBits.integers() ? ScalarType.Float : ScalarType.BFloat16;
        TensorVector parts = new TensorVector();
        names.forEach(name -> parts.push_back(weights.get(name + ".bias", type)));
        return torch.cat(parts);
    }

    private static List<Long> shape(TensorSource weights, String name) {
        List<Long> shape = weights.shape(name + ".weight");
        if (shape.stream().anyMatch(size -> size % CudaKernels.VECTOR != 0)) {
            throw new IllegalArgumentException(
                    "products of 8-bit numbers need layers whose sizes are multiples of 16, but %s is %s; use BF16"
                            .formatted(name, shape));
        }
        return shape;
    }

    /** Returns a layer of rows that are rounded already. */
    static EightBitLinear of(EightBits eightBits, Tensor weight, Tensor units) {
        return new EightBitLinear(eightBits, weight, units, null, new long[] {weight.size(0)});
    }

    /** Returns the layer as one that gives all columns. */
    Projection projection() {
        return new Projection() {
            @Override
            public Rows forward(Rows x) {
                return Rows.of(product(x));
            }

            @Override
            public @Nullable Tensor bias() {
                return bias;
            }

            @Override
            public Rows wide(Rows x) {
                return EightBits.widened(x);
            }

            @Override
            public Rows forward(Rows x, Addition.Part added) {
                return Projection.super.forward(x, added).settled();
            }
        };
    }

    /** Returns the layers, each of which gives its columns. */
    JointProjection joint() {
        return new JointProjection() {
            @Override
            public List<Rows> forward(Rows x) {
                return parts(product(x));
            }

            @Override
            public @Nullable Tensor bias(int layer) {
                long first = Arrays.stream(widths).limit(layer).sum();
                return bias == null ? null : bias.narrow(0, first, widths[layer]);
            }

            @Override
            public Rows wide(Rows x) {
                return EightBits.widened(x);
            }
        };
    }

    private List<Rows> parts(Tensor all) {
        List<Rows> parts = new ArrayList<>();
        long first = 0;
        for (long width : widths) {
            parts.add(Rows.of(all.narrow(1, first, width)));
            first += width;
        }
        return parts;
    }

    /** Returns [S, out] bf16. */
    Tensor product(Rows x) {
        return eightBits.integers() ? integerProduct(x) : floatProduct(x);
    }

    private Tensor floatProduct(Rows x) {
        return Operator.find("aten::_scaled_mm", "")
                .call(
                        new IValue(x.values()),
                        new IValue(weight.t()),
                        new IValue(EightBits.scale(x)),
                        new IValue(units),
                        bias == null ? new IValue() : new IValue(bias),
                        new IValue(),
                        new IValue(ScalarType.BFloat16),
                        new IValue(true));
    }

    private Tensor integerProduct(Rows x) {
        long rows = x.count();
        return Tensors.scoped(() -> {
            Tensor values = x.values();
            if (rows < LEAST_ROWS) {
                values = values.new_zeros(LEAST_ROWS, values.size(1));
                values.narrow(0, 0, rows).copy_(x.values());
            }
            Tensor product = Operator.find("aten::_int_mm", "")
                    .call(new IValue(values), new IValue(weight.t()))
                    .narrow(0, 0, rows);
            return rescaled(product, EightBits.scale(x));
        });
    }

    private Tensor rescaled(Tensor product, Tensor rowUnits) {
        String kernel = bias == null ? "rescale" : "rescale_bias";
        Launcher launcher = eightBits.launcher();
        if (!launcher.has(kernel)) {
            Tensor result = product.to(ScalarType.Float).mul_(rowUnits).mul_(units);
            return (bias == null ? result : result.add_(bias)).to(ScalarType.BFloat16);
        }
        long out = product.size(1);
        Tensor result = eightBits.place().empty(ScalarType.BFloat16, product.size(0), out);
        launcher.launch(
                kernel,
                product.size(0),
                CudaKernels.blocks(out, COLUMNS_BLOCK),
                to -> to.pointer(ArgumentType.I32_POINTER, product)
                        .pointer(ArgumentType.FP32_POINTER, rowUnits)
                        .pointer(ArgumentType.FP32_POINTER, units)
                        .pointer(ArgumentType.FP32_POINTER, bias == null ? units : bias)
                        .pointer(ArgumentType.BF16_POINTER, result)
                        .integer(out));
        return result;
    }
}
