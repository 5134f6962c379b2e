package io.github.zimage.internal.placement;

import io.github.zimage.MemorySize;
import java.util.ArrayList;
import java.util.List;

/** Says that no plan fits, and what would do. */
final class PlanRefusal {
    private final Planner planner;
    private final Machine machine;
    private final Workload work;
    private final long needed;

    PlanRefusal(Planner planner, Machine machine, Workload work) {
        this.planner = planner;
        this.machine = machine;
        this.work = work;
        needed = machine.sizeFor(planner.smallest(machine, work).peak());
    }

    /** Returns the sentence. */
    String message() {
        List<String> remedies = new ArrayList<>();
        if (planner.hasPlacements()) {
            addIfSmaller(remedies, "without the placements that were set", planner.withoutPlacements(), work);
        }
        if (work.pictures() > 1) {
            addIfSmaller(remedies, "for one picture at a time", planner, work.forOnePicture());
        }
        if (work.width() * (long) work.height() > 512 * 512) {
            addIfSmaller(remedies, "for 512 x 512", planner, work.withSize(512, 512));
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

    private void addIfSmaller(List<String> remedies, String condition, Planner other, Workload otherWork) {
        long bytes = machine.sizeFor(other.smallest(machine, otherWork).peak());
        if (bytes < needed) {
            remedies.add("%s %s".formatted(mebibytes(bytes), condition));
        }
    }

    /** In the form that can be given as a budget. */
    private static String mebibytes(long bytes) {
        return (bytes >> 20) + "m";
    }
}
