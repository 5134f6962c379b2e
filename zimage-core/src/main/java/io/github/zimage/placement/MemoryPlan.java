package io.github.zimage.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.io.TextTable;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Where the weights of a pipeline are, when they move, and how much memory that needs, for one kind of request. Calculated from the
 * headers of the checkpoint's files, before anything is loaded. {@link #toString()} is a table for people.
 *
 * @param model the model's name
 * @param work the kind of request, for people, such as {@code 1 picture of 1024 x 1024}
 * @param device what computes
 * @param limit how much may be in use, or null if nobody set a limit and the system does not tell one
 * @param parts the components, in the order in which a generation uses them
 * @param peaks what is predicted to be in use
 * @param decodeTile how many rows of a picture are decoded at a time, or 0 for whole pictures
 * @param fits whether that is within the limit
 */
public record MemoryPlan(
        String model,
        String work,
        Device device,
        @Nullable MemorySize limit,
        List<Part> parts,
        Peaks peaks,
        int decodeTile,
        boolean fits) {

    /**
     * Where the weights of a component are.
     *
     * @param component the component
     * @param device what it computes on
     * @param precision what it computes in, which is also the format of its weights
     * @param kind when its weights are on that device
     * @param blocks how many equal blocks it has; 0 for the VAE
     * @param residentBlocks how many of them stay, if streamed
     * @param slots how many of the others there is room for at a time, if streamed
     * @param bytes how much its weights take in all
     * @param residentBytes how much of that is on the device while the component runs
     * @param moves when weights come to the device, for people
     */
    public record Part(
            Component component,
            Device device,
            Precision precision,
            Placement.Kind kind,
            int blocks,
            int residentBlocks,
            int slots,
            long bytes,
            long residentBytes,
            String moves) {}

    /**
     * The most memory in use in each phase of a generation, in bytes: of a pipeline on the CPU, what the process has in memory, pages of
     * mapped files included.
     *
     * @param phases by the name of the phase, in order: {@code text} while prompts become embeddings, {@code denoise} while noise
     *     becomes latents, {@code decode} while latents become pictures, and others if the model has more components
     */
    public record Peaks(Map<String, Long> phases) {
        /** Copies the map. */
        public Peaks {
            phases = Collections.unmodifiableMap(new LinkedHashMap<>(phases));
        }

        /** Returns the peak of a phase, 0 if it does not happen. */
        public long of(String phase) {
            return phases.getOrDefault(phase, 0L);
        }

        /** Returns the most of all phases. */
        public long highest() {
            return phases.values().stream().mapToLong(Long::longValue).max().orElse(0);
        }

        /** Returns the numbers for people. */
        @Override
        public String toString() {
            return phases.entrySet().stream()
                    .map(phase -> phase.getKey() + " " + MemorySize.gibibytes(phase.getValue()))
                    .collect(Collectors.joining(", "));
        }
    }

    /** Copies the list. */
    public MemoryPlan {
        parts = List.copyOf(parts);
    }

    /** Returns how much of the limit is not needed, or null if there is no limit; negative if the limit does not suffice. */
    public @Nullable Long spareBytes() {
        return limit == null ? null : limit.bytes() - peaks.highest();
    }

    /** Returns a table of several lines. */
    @Override
    public String toString() {
        TextTable table = new TextTable(Set.of(3, 4));
        table.add("component", "computes on", "format", "weights", "in memory", "moves");
        for (Part part : parts) {
            table.add(
                    part.component().id(),
                    part.device().toString(),
                    part.precision().toString(),
                    MemorySize.gibibytes(part.bytes()),
                    MemorySize.gibibytes(part.residentBytes()),
                    part.moves());
        }
        StringBuilder text = new StringBuilder("%s: %s on %s%s\n"
                .formatted(
                        ShownText.line(model),
                        work,
                        device,
                        limit == null ? "" : ", at most " + MemorySize.gibibytes(limit.bytes())));
        text.append(table);
        text.append("decode: ").append(decodeTile == 0 ? "whole pictures" : "tiles of " + decodeTile + " rows");
        text.append("\npeak: ")
                .append(MemorySize.gibibytes(peaks.highest()))
                .append(" (")
                .append(peaks)
                .append(")");
        Long spare = spareBytes();
        if (spare != null) {
            text.append(
                    spare >= 0
                            ? ", %s to spare".formatted(MemorySize.gibibytes(spare))
                            : ", %s too much".formatted(MemorySize.gibibytes(-spare)));
        }
        return text.toString();
    }
}
