package io.github.zimage.internal.nn;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.system.ProcessorWatch;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the fastest way to compute a linear layer on this processor. */
public final class LinearSelector {
    private static final Logger LOG = LoggerFactory.getLogger(LinearSelector.class);

    /** As many as a part of a picture has. */
    private static final long ROWS = 256;

    private static final int RUNS = 5;
    private static final double SECONDS_PER_SHAPE = 0.2;

    /** What takes so much longer than the best is not run again. */
    private static final double HOPELESS = 1.5;

    /** By how much another method must be faster, so that the choice does not hang on noise. */
    private static final double CLEARLY_FASTER = 0.95;

    /** Packing takes seconds when a pipeline is built, so it has to be worth them within a picture. */
    private static final double WORTH_PACKING = 0.9;

    /** The layers of a model for tests compute in no time, whatever the method. */
    private static final long SMALL = 1 << 20;

    private LinearSelector() {}

    /** Z-Image's linear layers; others take what is best for the one most like them. */
    public enum Shape {
        /** 3840 to 3840 features. */
        EVEN(3840, 3840),
        /** 3840 to 10240 features. */
        WIDENING(3840, 10240),
        /** 10240 to 3840 features. */
        NARROWING(10240, 3840);

        private final long in;
        private final long out;

        Shape(long in, long out) {
            this.in = in;
            this.out = out;
        }

        static Shape like(long in, long out) {
            return out >= 2 * in ? WIDENING : in >= 2 * out ? NARROWING : EVEN;
        }

        /** Returns the operations of a product of as many rows as are measured with. */
        double operations() {
            return 2.0 * ROWS * in * out;
        }

        @Override
        public String toString() {
            return in + " x " + out;
        }
    }

    /**
     * Returns the method for a layer; measures if this processor's is not known.
     *
     * @param type fp32 or bf16
     * @param mayPack whether its matrix may be packed
     */
    static LinearMethod select(ScalarType type, long in, long out, boolean mayPack) {
        List<LinearMethod> available = LinearMethod.available(type);
        if (in * out < SMALL) {
            return available.get(0);
        }
        Shape shape = Shape.like(in, out);
        String answer = ThisProcessor.choices()
                .get(
                        question(type, shape, mayPack),
                        name -> available.stream()
                                .anyMatch(method -> method.shownName().equals(name)),
                        () -> measured(type, shape));
        return LinearMethod.named(answer);
    }

    static String question(ScalarType type, Shape shape, boolean mayPack) {
        return "linear %s %s%s"
                .formatted(type.intern().name().toLowerCase(Locale.ROOT), shape, mayPack ? "" : ", matrix as it is");
    }

    private static Map<String, String> measured(ScalarType type, Shape shape) {
        long start = System.nanoTime();
        Map<LinearMethod, Double> seconds = seconds(type, shape);
        Map<String, String> answers = answers(type, shape, seconds);
        LOG.debug("chose {} from {} in {} s", answers, seconds, seconds(start));
        return answers;
    }

    private static Map<String, String> answers(ScalarType type, Shape shape, Map<LinearMethod, Double> seconds) {
        return Map.of(
                question(type, shape, false), choose(seconds, false).shownName(),
                question(type, shape, true), choose(seconds, true).shownName());
    }

    /** Returns the method to take, given the seconds that each took; the first is taken unless another is clearly faster. */
    static LinearMethod choose(Map<LinearMethod, Double> seconds, boolean mayPack) {
        LinearMethod best = seconds.keySet().iterator().next();
        for (LinearMethod method : List.of(LinearMethod.ATEN, LinearMethod.ONEDNN, LinearMethod.PACKED)) {
            boolean packs = method == LinearMethod.PACKED;
            double margin = packs ? WORTH_PACKING : CLEARLY_FASTER;
            if ((mayPack || !packs)
                    && seconds.getOrDefault(method, Double.POSITIVE_INFINITY)
                            < margin * seconds.getOrDefault(best, Double.POSITIVE_INFINITY)) {
                best = method;
            }
        }
        return best;
    }

    /** Returns the best of a few runs of each method, in turn. */
    private static Map<LinearMethod, Double> seconds(ScalarType type, Shape shape) {
        Map<LinearMethod, Double> best = new LinkedHashMap<>();
        try (PointerScope scope = new PointerScope()) {
            Tensor x = torch.full(new long[] {ROWS, shape.in}, new Scalar(0.5), new TensorOptions(type));
            Tensor weight = torch.full(new long[] {shape.out, shape.in}, new Scalar(0.5), new TensorOptions(type));
            Map<LinearMethod, Runnable> products = new LinkedHashMap<>();
            for (LinearMethod method : LinearMethod.available(type)) {
                Tensor packed = method.packed(weight);
                products.put(method, () -> method.transposed(x, packed, null));
            }
            products.values().forEach(LinearSelector::seconds); // the first run makes ready
            long start = System.nanoTime();
            for (int run = 0; run < RUNS && (run == 0 || seconds(start) < SECONDS_PER_SHAPE); run++) {
                double fastest = best.values().stream().min(Double::compare).orElse(Double.POSITIVE_INFINITY);
                products.forEach((method, product) -> {
                    if (best.getOrDefault(method, 0.0) <= HOPELESS * fastest) {
                        best.merge(method, seconds(product), Math::min);
                    }
                });
            }
        }
        return best;
    }

    private static double seconds(Runnable work) {
        try (PointerScope scope = new PointerScope()) {
            long start = System.nanoTime();
            work.run();
            return seconds(start);
        }
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    /**
     * Measures all shapes anew and keeps what was found, unless other programs computed meanwhile.
     *
     * @return by shape; empty for 8-bit integers where they cannot be used
     */
    public static Map<Shape, LinearMeasurement> measure(Precision precision) {
        Map<Shape, LinearMeasurement> measured = new EnumMap<>(Shape.class);
        if (precision == Precision.INT8) {
            if (Int8Probe.measuredAnew() == null) {
                for (Shape shape : Shape.values()) {
                    measured.put(shape, Int8Probe.measure(shape.in, shape.out, ROWS, RUNS));
                }
            }
            return measured;
        }
        ScalarType type = Tensors.scalarType(precision);
        for (Shape shape : Shape.values()) {
            ProcessorWatch watch = ThisProcessor.choices().watch();
            Map<LinearMethod, Double> seconds = seconds(type, shape);
            ThisProcessor.choices().put(answers(type, shape, seconds), watch);
            Map<String, Double> rates = new LinkedHashMap<>();
            seconds.forEach((method, time) -> rates.put(method.shownName(), shape.operations() / time / 1e12));
            measured.put(
                    shape, new LinearMeasurement(rates, choose(seconds, true).shownName()));
        }
        return measured;
    }
}
