package io.github.zimage.internal.lora;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How many numbers of an adapter are kept beside a model, told by the header of its file alone. */
public final class AdapterSize {
    /** GPUs fill ranks up to what their vector loads take. */
    private static final long RANKS = 16;

    private static final ModuleNames NAMES = new ModuleNames(ModelShapes.names());

    private AdapterSize() {}

    /** Returns how many are kept of a file; 0 if that is not known. */
    public static long numbers(@Nullable Path file) {
        if (file == null || !Files.isRegularFile(file)) {
            return 0;
        }
        try {
            return numbers(SafetensorsHeader.read(file));
        } catch (ModelLoadException e) {
            return 0; // It is refused when it is read.
        }
    }

    private static long numbers(SafetensorsHeader header) {
        Map<Target, Map<Part, TensorEntry>> modules = new LinkedHashMap<>();
        for (TensorEntry each : header.tensors().values()) {
            ModuleNames.Match match = NAMES.match(each.name());
            if (match != null && match.target() != null) {
                modules.computeIfAbsent(match.target(), name -> new EnumMap<>(Part.class))
                        .put(match.suffix().part(), each);
            }
        }
        return modules.entrySet().stream()
                .mapToLong(each -> ofModule(each.getKey().modules().size(), each.getValue()))
                .sum();
    }

    /** Each of several modules has a first factor of its own. */
    private static long ofModule(int modules, Map<Part, TensorEntry> parts) {
        long sum = 0;
        for (Map.Entry<Part, TensorEntry> each : parts.entrySet()) {
            sum += switch (each.getKey()) {
                case DOWN -> modules * filled(each.getValue(), 0);
                case UP -> filled(each.getValue(), 1);
                case HADA_W1_A, HADA_W1_B ->
                    filled(each.getValue(), each.getKey() == Part.HADA_W1_A ? 1 : 0) * rank(parts.get(Part.HADA_W2_B));
                case HADA_W2_A, HADA_W2_B -> 0;
                default -> each.getValue().elements();
            };
        }
        return sum;
    }

    private static long rank(@Nullable TensorEntry first) {
        return first == null || first.shape().isEmpty() ? 0 : first.shape().get(0);
    }

    /** Returns how many numbers a factor has, one of whose dimensions is the rank, when that is filled up. */
    private static long filled(TensorEntry factor, int dimension) {
        List<Long> shape = factor.shape();
        long rank = shape.size() > dimension ? shape.get(dimension) : 0;
        return rank == 0 ? 0 : factor.elements() / rank * ((rank + RANKS - 1) / RANKS * RANKS);
    }
}
