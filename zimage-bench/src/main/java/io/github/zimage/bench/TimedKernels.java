package io.github.zimage.bench;

import io.github.zimage.internal.nn.Addition;
import io.github.zimage.internal.nn.Factors;
import io.github.zimage.internal.nn.Heads;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.TensorSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** Kernels that do what others do, and note how long each of their operations takes, without those that it calls. */
final class TimedKernels extends Kernels {
    private final Kernels target;
    private final Map<String, Line> lines = new LinkedHashMap<>();
    private final Deque<long[]> running = new ArrayDeque<>();

    /** What an operation came to: how often it ran, how long, and how many operations with numbers it took. */
    static final class Line {
        int calls;
        long nanos;
        double operations;
    }

    TimedKernels(Kernels target) {
        super(target.place(), target.attention(), target.precision());
        this.target = target;
    }

    /** Returns what has been noted, by the operation's name, and begins anew. */
    Map<String, Line> taken() {
        Map<String, Line> taken = new LinkedHashMap<>(lines);
        lines.clear();
        return taken;
    }

    private <T> T time(String name, double operations, Supplier<T> operation) {
        long start = System.nanoTime();
        long[] inner = {0};
        running.push(inner);
        try {
            return operation.get();
        } finally {
            running.pop();
            long elapsed = System.nanoTime() - start;
            long[] outer = running.peek();
            if (outer != null) {
                outer[0] += elapsed;
            }
            Line line = lines.computeIfAbsent(name, key -> new Line());
            line.calls++;
            line.nanos += elapsed - inner[0];
            line.operations += operations;
        }
    }

    /** Multiplications and additions of a product with a matrix. */
    private static double operations(TensorSource weights, String name, long rows) {
        List<Long> shape = weights.shape(name + ".weight");
        return 2.0 * rows * shape.get(0) * shape.get(1);
    }

    /** Returns a layer's name without those around it. */
    private static String shortName(String name) {
        return name.replaceFirst(".*\\.(attention|self_attn|feed_forward|mlp)\\.", "");
    }

    @Override
    public StorageType weightType() {
        return target.weightType();
    }

    @Override
    public Projection projection(TensorSource weights, String name, boolean bias) {
        return timed(weights, name, target.projection(weights, name, bias));
    }

    @Override
    public Projection downProjection(TensorSource weights, String name) {
        return timed(weights, name, target.downProjection(weights, name));
    }

    private Projection timed(TensorSource weights, String name, Projection projection) {
        return timed("product " + shortName(name), operations(weights, name, 1), projection);
    }

    private Projection timed(String shown, double perRow, Projection projection) {
        return new Projection() {
            @Override
            public Rows forward(Rows x) {
                return time(shown, perRow * x.count(), () -> projection.forward(x));
            }

            @Override
            public Projection with(@Nullable Addition addition) {
                return addition == null ? this : timed(shown + " and what is added", perRow, projection.with(addition));
            }
        };
    }

    @Override
    public JointProjection jointProjection(TensorSource weights, List<String> names, boolean bias) {
        double perRow =
                names.stream().mapToDouble(name -> operations(weights, name, 1)).sum();
        String shown = "product "
                + String.join(", ", names.stream().map(TimedKernels::shortName).toList());
        return timedJoint(shown, perRow, target.jointProjection(weights, names, bias));
    }

    private JointProjection timedJoint(String shown, double perRow, JointProjection projection) {
        return new JointProjection() {
            @Override
            public List<Rows> forward(Rows x) {
                return time(shown, perRow * x.count(), () -> projection.forward(x));
            }

            @Override
            public JointProjection with(@Nullable Addition addition) {
                return addition == null
                        ? this
                        : timedJoint(shown + " and what is added", perRow, projection.with(addition));
            }
        };
    }

    @Override
    public Factors factors() {
        return target.factors();
    }

    @Override
    public Factors downFactors() {
        return target.downFactors();
    }

    @Override
    public Rows rows(Tensor x) {
        return time("rounding of what attention gave", 0, () -> target.rows(x));
    }

    @Override
    public Rows normScale(Tensor x, Tensor scale, double eps) {
        return time("norm before the feed-forward", 0, () -> target.normScale(x, scale, eps));
    }

    @Override
    public void addNormScale(Tensor x, Rows y, Tensor scale, double eps) {
        time("norm and addition to the stream", 0, () -> {
            target.addNormScale(x, y, scale, eps);
            return x;
        });
    }

    @Override
    public Heads heads(Tensor x, Tensor norm, double eps, JointProjection qkv, Heads.Recipe recipe) {
        return time(
                "norm before attention, norms and rotations of heads",
                0,
                () -> target.heads(x, norm, eps, qkv, recipe));
    }

    @Override
    public Tensor attention(Tensor query, Tensor key, Tensor value, boolean causal) {
        double operations = 4.0 * query.size(0) * key.size(0) * query.size(1) * query.size(2);
        return time("attention", operations, () -> target.attention(query, key, value, causal));
    }

    @Override
    public Rows swiglu(Rows gate, Rows up) {
        return time("SiLU, gate, turning and rounding", 0, () -> target.swiglu(gate, up));
    }

    @Override
    public void inParts(long rows, RowRange computation) {
        time("cutting rows into parts, freeing their memory", 0, () -> {
            target.inParts(rows, computation);
            return rows;
        });
    }

    @Override
    public Tensor layerNorm(Tensor x, Tensor scale, double eps) {
        return time("norm of the last layer", 0, () -> target.layerNorm(x, scale, eps));
    }
}
