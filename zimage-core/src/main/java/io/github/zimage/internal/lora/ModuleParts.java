package io.github.zimage.internal.lora;

import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The tensors of a file that belong to one module, and what they are together. */
final class ModuleParts {
    private static final Set<Part> LORA = EnumSet.of(Part.DOWN, Part.UP);
    private static final Set<Part> LOHA = EnumSet.range(Part.HADA_W1_A, Part.HADA_W2_B);
    private static final Set<Part> LOKR = EnumSet.range(Part.LOKR_W1, Part.LOKR_W2_B);
    /** What says more of factors, and is nothing alone. */
    private static final Set<Part> BESIDE = EnumSet.of(Part.ALPHA, Part.MAGNITUDE, Part.UP_BIAS);

    private final Target target;
    private final String rule;
    private final Map<Part, TensorEntry> parts = new EnumMap<>(Part.class);

    ModuleParts(Target target, String rule) {
        this.target = target;
        this.rule = rule;
    }

    /** What makes a module's tensors unfit. */
    static final class UnfitException extends Exception {
        private static final long serialVersionUID = 1L;

        UnfitException(String reason) {
            super(reason, null, false, false);
        }

        /** Returns why. */
        String reason() {
            return String.valueOf(getMessage());
        }
    }

    Target target() {
        return target;
    }

    String rule() {
        return rule;
    }

    /** Takes a tensor; returns whether there was none for that part. */
    boolean put(Part part, TensorEntry tensor) {
        return parts.putIfAbsent(part, tensor) == null;
    }

    @Nullable
    TensorEntry get(Part part) {
        return parts.get(part);
    }

    /** Returns all tensors. */
    List<TensorEntry> tensors() {
        return List.copyOf(parts.values());
    }

    /** Returns whether there are factors or a difference of the module's weight. */
    boolean changesWeight() {
        return parts.keySet().stream().anyMatch(part -> !BESIDE.contains(part) && part != Part.DIFF_B);
    }

    /**
     * Returns what is added to the module's weight, before it is scaled.
     *
     * @throws UnfitException if the tensors do not belong together
     */
    Delta weight() throws UnfitException {
        for (Map.Entry<Part, TensorEntry> each : parts.entrySet()) {
            StorageType type = each.getValue().type();
            if (each.getKey() != Part.ALPHA && !type.isSupportedWeight()) {
                throw new UnfitException("must be stored as F32, F16 or BF16, but is " + type);
            }
        }
        long kinds = List.of(LORA, LOHA, LOKR, Set.of(Part.DIFF)).stream()
                .filter(kind -> parts.keySet().stream().anyMatch(kind::contains))
                .count();
        if (kinds > 1) {
            throw new UnfitException("the module has factors of several kinds");
        }
        if (has(LORA)) {
            return lowRank();
        }
        if (has(LOHA)) {
            return hadamard();
        }
        return has(LOKR) ? kronecker() : difference();
    }

    private boolean has(Set<Part> kind) {
        return parts.keySet().stream().anyMatch(kind::contains);
    }

    private TensorEntry need(Part part) throws UnfitException {
        TensorEntry tensor = parts.get(part);
        if (tensor == null) {
            throw new UnfitException("the tensor for " + part + " is missing beside it");
        }
        return tensor;
    }

    /** Returns a matrix; one of a convolution of one pixel is one, too. */
    private static TensorEntry matrix(TensorEntry tensor) throws UnfitException {
        List<Long> shape = tensor.shape();
        boolean isMatrix = shape.size() >= 2
                && shape.subList(2, shape.size()).stream().allMatch(size -> size == 1)
                && tensor.elements() > 0;
        if (!isMatrix) {
            throw new UnfitException("must be a matrix, but is of shape " + ModelFile.shown(shape));
        }
        return tensor.withShape(shape.subList(0, 2));
    }

    private Delta difference() throws UnfitException {
        TensorEntry difference = need(Part.DIFF);
        if (difference.shape().isEmpty() || difference.elements() == 0) {
            throw new UnfitException("must have numbers, but is of shape " + ModelFile.shown(difference.shape()));
        }
        return new FullDelta(difference, 1);
    }

    private static void requireProduct(TensorEntry left, TensorEntry right) throws UnfitException {
        if (!left.shape().get(1).equals(right.shape().get(0))) {
            throw new UnfitException("the factors must fit each other, but are of shapes "
                    + ModelFile.shown(left.shape()) + " and " + ModelFile.shown(right.shape()));
        }
    }

    /** More than the product's own size says nothing that less could not, but costs memory. */
    private static void requireNarrow(TensorEntry left, TensorEntry right) throws UnfitException {
        long most = Math.max(left.shape().get(0), right.shape().get(1));
        if (left.shape().get(1) > most) {
            throw new UnfitException("the rank must be at most the larger side, %d, but is %d"
                    .formatted(most, left.shape().get(1)));
        }
    }

    private Delta lowRank() throws UnfitException {
        TensorEntry down = matrix(need(Part.DOWN));
        TensorEntry up = matrix(need(Part.UP));
        requireProduct(up, down);
        requireNarrow(up, down);
        return new LowRankDelta(down, up, 1);
    }

    /**
     * Returns what is added to the module's bias, before it is scaled: [height], or null.
     *
     * @throws UnfitException if it is not of that length, or stands beside what has no such bias
     */
    @Nullable
    TensorEntry bias(long height) throws UnfitException {
        TensorEntry bias = parts.get(Part.UP_BIAS);
        if (bias == null) {
            return null;
        }
        if (!has(LORA) || parts.containsKey(Part.MAGNITUDE)) {
            throw new UnfitException("a bias of the second factor is known for LoRA without DoRA only");
        }
        if (bias.elements() != height) {
            throw new UnfitException("the bias of the second factor must have a number for each of the " + height
                    + " rows of the output, but is of shape " + ModelFile.shown(bias.shape()));
        }
        return bias.withShape(List.of(height));
    }

    private Delta hadamard() throws UnfitException {
        TensorEntry w1a = matrix(need(Part.HADA_W1_A));
        TensorEntry w1b = matrix(need(Part.HADA_W1_B));
        TensorEntry w2a = matrix(need(Part.HADA_W2_A));
        TensorEntry w2b = matrix(need(Part.HADA_W2_B));
        requireProduct(w1a, w1b);
        requireProduct(w2a, w2b);
        requireNarrow(w1a, w1b);
        requireNarrow(w2a, w2b);
        boolean same = w1a.shape().get(0).equals(w2a.shape().get(0))
                && w1b.shape().get(1).equals(w2b.shape().get(1));
        if (!same) {
            throw new UnfitException("both products must be of one shape");
        }
        return new HadamardDelta(w1a, w1b, w2a, w2b, 1);
    }

    private Delta kronecker() throws UnfitException {
        return new KroneckerDelta(
                factor(Part.LOKR_W1, Part.LOKR_W1_A, Part.LOKR_W1_B),
                factor(Part.LOKR_W2, Part.LOKR_W2_A, Part.LOKR_W2_B),
                1);
    }

    private Factor factor(Part whole, Part first, Part second) throws UnfitException {
        TensorEntry own = parts.get(whole);
        if (own != null) {
            return new Factor(matrix(own), null);
        }
        TensorEntry left = matrix(need(first));
        TensorEntry right = matrix(need(second));
        requireProduct(left, right);
        requireNarrow(left, right);
        return new Factor(left, right);
    }
}
