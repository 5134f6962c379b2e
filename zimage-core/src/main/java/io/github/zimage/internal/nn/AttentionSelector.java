package io.github.zimage.internal.nn;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

    private static final long PROBE_HEADS = 1;
    private static final long PROBE_LENGTH = 768;
    private static final long PROBE_HEAD_DIM = 128;

    /** Many short runs find the true speed also while other programs run; a slow backend shows itself in one. */
    private static final int PROBE_RUNS = 20;

    private static final double PROBE_SECONDS = 0.05;

    /** Another backend has to be twice as fast to be taken, so that the choice, and with it the last bits of a picture, does not hang on noise. */
    private static final double CLEARLY_FASTER = 0.5;

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
     * Returns the backend of a name; for {@code auto} the fastest. Runs native code.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Attention select(AttentionBackend wanted, Precision precision) {
        require(wanted);
        return backends().stream()
                .filter(backend -> backend.name().equals(wanted.name()))
                .findFirst()
                .orElseGet(() -> choose(probe(precision)));
    }

    /**
     * Returns the backend to take, given the seconds that each took. The one that needs memory for all scores at once is taken only
     * when it is named.
     */
    public static Attention choose(Map<Attention, Double> seconds) {
        Attention best = backends().get(0);
        for (Map.Entry<Attention, Double> candidate : seconds.entrySet()) {
            if (candidate.getKey() != LibTorchAttention.MATH
                    && candidate.getValue() < CLEARLY_FASTER * seconds.getOrDefault(best, Double.POSITIVE_INFINITY)) {
                best = candidate.getKey();
            }
        }
        return best;
    }

    /**
     * Measures all backends on a small problem; takes some milliseconds. A backend that fails is left out.
     *
     * @return seconds by backend
     */
    public static Map<Attention, Double> probe(Precision precision) {
        Map<Attention, Double> seconds = new LinkedHashMap<>();
        try (PointerScope scope = new PointerScope()) {
            Tensor x = torch.ones(PROBE_HEADS, PROBE_LENGTH, PROBE_HEAD_DIM)
                    .div_(new Scalar(PROBE_HEAD_DIM))
                    .to(Tensors.scalarType(precision));
            for (Attention backend : backends()) {
                try {
                    seconds.put(backend, time(backend, x));
                } catch (RuntimeException e) {
                    LOG.debug("attention backend {} does not run here", backend.name(), e);
                }
            }
        }
        return seconds;
    }

    private static double time(Attention backend, Tensor x) {
        double best = Double.POSITIVE_INFINITY;
        double total = 0;
        for (int run = 0; run < PROBE_RUNS && total < PROBE_SECONDS; run++) {
            try (PointerScope scope = new PointerScope()) {
                long start = System.nanoTime();
                backend.attend(x, x, x, false);
                double elapsed = (System.nanoTime() - start) / 1e9;
                best = Math.min(best, elapsed);
                total += elapsed;
            }
        }
        return best;
    }

    /** Returns the operations of one probe, for rates. */
    public static double probeOperations() {
        return 4.0 * PROBE_HEADS * PROBE_LENGTH * PROBE_LENGTH * PROBE_HEAD_DIM;
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
