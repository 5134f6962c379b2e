package io.github.zimage.internal.placement;

import io.github.zimage.placement.MemorySize;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/** Says that no plan fits, and what would do. */
final class PlanRefusal {
    private final Machine machine;
    private final Workload work;
    private final ToLongFunction<Workload> smallest;
    private final @Nullable ToLongFunction<Workload> withoutPlacements;
    private final long needed;

    /**
     * Calculates what would do for some work.
     *
     * @param smallest returns the least that work needs, in bytes
     * @param withoutPlacements returns the least that it would need if nothing had been placed; null if nothing has
     */
    PlanRefusal(
            Machine machine,
            Workload work,
            ToLongFunction<Workload> smallest,
            @Nullable ToLongFunction<Workload> withoutPlacements) {
        this.machine = machine;
        this.work = work;
        this.smallest = smallest;
        this.withoutPlacements = withoutPlacements;
        needed = machine.sizeFor(smallest.applyAsLong(work));
    }

    /** Returns the sentence. */
    String message() {
        List<String> remedies = new ArrayList<>();
        if (withoutPlacements != null) {
            addIfSmaller(remedies, "without the placements that were set", withoutPlacements, work);
        }
        if (work.pictures() > 1) {
            addIfSmaller(remedies, "for one picture at a time", smallest, work.forOnePicture());
        }
        if (work.width() * (long) work.height() > 512 * 512) {
            addIfSmaller(remedies, "for 512 x 512", smallest, work.withSize(512, 512));
        }
        return "%s of %s is too small for %s: the smallest that would do has %s%s"
                .formatted(
                        machine.whole() ? "a card" : "a memory budget",
                        new MemorySize(Math.max(1, limitShown())),
                        work,
                        mebibytes(needed),
                        remedies.isEmpty() ? "" : "; " + String.join(", ", remedies));
    }

    private long limitShown() {
        return machine.whole() ? machine.sizeFor(machine.limit()) : machine.limit();
    }

    private void addIfSmaller(
            List<String> remedies, String condition, ToLongFunction<Workload> other, Workload otherWork) {
        long bytes = machine.sizeFor(other.applyAsLong(otherWork));
        if (bytes < needed) {
            remedies.add("%s %s".formatted(mebibytes(bytes), condition));
        }
    }

    /** In the form that can be given as a budget. */
    private static String mebibytes(long bytes) {
        return (bytes >> 20) + "m";
    }
}
