package io.github.zimage.internal.nn;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.spi.Attention;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the attention backend of a name, and the fastest one. */
public final class AttentionSelector {
    private static final Logger LOG = LoggerFactory.getLogger(AttentionSelector.class);

    /** Tokens of a picture of 512 x 512, and of one of 1024 x 1024, with a prompt. */
    private static final List<Long> LENGTHS = List.of(1152L, 4224L);

    private static final long HEADS = 1;
    private static final long HEAD_DIM = 128;

    /** Many short runs find the true speed also while other programs run; a slow backend shows itself in one. */
    private static final int RUNS = 20;

    private static final double SECONDS = 0.05;

    /** A backend that is so much slower than the best at the smaller length is not measured at the larger one. */
    private static final double HOPELESS = 3;

    /** By how much another backend must be faster, so that the choice, and with it the last bits of a picture, does not hang on noise. */
    private static final double CLEARLY_FASTER = 0.87;

    private AttentionSelector() {}

    /** Returns the names of all backends, {@code auto} first. */
    public static List<String> names() {
        List<String> names = new ArrayList<>();
        names.add(AttentionBackend.AUTO.name());
        backends().forEach(backend -> names.add(backend.name()));
        return names;
    }

    /**
     * Checks that there is a backend of a name. Runs no native code.
     *
     * @throws IllegalArgumentException if there is none
     */
    public static void require(AttentionBackend wanted) {
        if (!names().contains(wanted.name())) {
            throw new IllegalArgumentException(
                    "attention must be one of %s, but was %s".formatted(String.join(", ", names()), wanted.name()));
        }
    }

    /**
     * Returns the backend of a name; for {@code auto} the fastest, which is measured if this processor's is not known. Runs native code.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Attention select(AttentionBackend wanted, Precision precision) {
        require(wanted);
        return find(wanted.name()).orElseGet(() -> {
            String name = ThisProcessor.choices()
                    .get(
                            question(precision),
                            kept -> find(kept).isPresent(),
                            () -> answer(precision, probe(precision)));
            return find(name).orElseThrow();
        });
    }

    private static Optional<Attention> find(String name) {
        return backends().stream()
                .filter(backend -> backend.name().equals(name))
                .findFirst();
    }

    private static String question(Precision precision) {
        return "attention " + Tensors.scalarType(precision).intern().name().toLowerCase(Locale.ROOT);
    }

    private static Map<String, String> answer(Precision precision, List<Speed> speeds) {
        return Map.of(question(precision), choose(speeds).name());
    }

    /**
     * How long a backend took.
     *
     * @param length how many tokens
     * @param seconds the best time for one head
     */
    public record Speed(Attention backend, long length, double seconds) {
        /** Returns the rate in 10^12 operations a second. */
        public double teraflops() {
            return 4.0 * HEADS * length * length * HEAD_DIM / seconds / 1e12;
        }
    }

    /**
     * Returns the backend to take: the first, unless another one is clearly faster in the mean over the lengths. The one that needs
     * memory for all scores at once is taken only when it is named.
     */
    public static Attention choose(List<Speed> speeds) {
        Attention best = backends().get(0);
        for (Attention candidate : backends()) {
            if (candidate != LibTorchAttention.MATH && isClearlyFaster(candidate, best, speeds)) {
                best = candidate;
            }
        }
        return best;
    }

    private static boolean isClearlyFaster(Attention candidate, Attention best, List<Speed> speeds) {
        double ratio = 1;
        for (long length : LENGTHS) {
            Optional<Double> time = seconds(candidate, length, speeds);
            if (time.isEmpty()) {
                return false;
            }
            ratio *= time.get() / seconds(best, length, speeds).orElse(HOPELESS * time.get());
        }
        return ratio < Math.pow(CLEARLY_FASTER, LENGTHS.size());
    }

    private static Optional<Double> seconds(Attention backend, long length, List<Speed> speeds) {
        return speeds.stream()
                .filter(speed -> speed.backend().name().equals(backend.name()) && speed.length() == length)
                .map(Speed::seconds)
                .findFirst();
    }

    /** Measures all backends anew and keeps which one is to be taken, unless other programs computed meanwhile; takes some tenths of a second. */
    public static List<Speed> measure(Precision precision) {
        ProcessorWatch watch = ThisProcessor.choices().watch();
        List<Speed> speeds = probe(precision);
        ThisProcessor.choices().put(answer(precision, speeds), watch);
        return speeds;
    }

    /** Measures all backends. One that fails, or is hopeless at a larger length, is left out. */
    private static List<Speed> probe(Precision precision) {
        List<Speed> speeds = new ArrayList<>();
        List<Attention> hopeful = backends();
        for (long length : LENGTHS) {
            List<Speed> measured = new ArrayList<>();
            try (PointerScope scope = new PointerScope()) {
                Tensor x = torch.ones(HEADS, length, HEAD_DIM)
                        .div_(new Scalar(HEAD_DIM))
                        .to(Tensors.scalarType(precision));
                for (Attention backend : hopeful) {
                    try {
                        measured.add(new Speed(backend, length, time(backend, x)));
                    } catch (RuntimeException e) {
                        LOG.debug("attention backend {} does not run here", backend.name(), e);
                    }
                }
            }
            double best = measured.stream()
                    .filter(speed -> speed.backend() != LibTorchAttention.MATH)
                    .mapToDouble(Speed::seconds)
                    .min()
                    .orElseThrow();
            hopeful = measured.stream()
                    .filter(speed -> speed.seconds() < HOPELESS * best)
                    .map(Speed::backend)
                    .toList();
            speeds.addAll(measured);
        }
        return speeds;
    }

    /** Returns the best of some runs after one that makes ready, which can take many times as long. */
    private static double time(Attention backend, Tensor x) {
        run(backend, x);
        double best = Double.POSITIVE_INFINITY;
        double total = 0;
        for (int run = 0; run < RUNS && total < SECONDS; run++) {
            double elapsed = run(backend, x);
            best = Math.min(best, elapsed);
            total += elapsed;
        }
        return best;
    }

    private static double run(Attention backend, Tensor x) {
        try (PointerScope scope = new PointerScope()) {
            long start = System.nanoTime();
            backend.attend(x, x, x, false);
            return (System.nanoTime() - start) / 1e9;
        }
    }

    private static List<Attention> backends() {
        List<Attention> backends = new ArrayList<>();
        backends.add(BlockwiseAttention.INSTANCE);
        backends.add(LibTorchAttention.SDPA);
        backends.add(LibTorchAttention.FLASH);
        backends.add(LibTorchAttention.MATH);
        backends.addAll(provided());
        return backends;
    }

    /** Returns the backends that other libraries bring, for any device. */
    public static List<Attention> provided() {
        List<Attention> provided = new ArrayList<>();
        ServiceLoader.load(Attention.class).forEach(provided::add);
        return provided;
    }
}
