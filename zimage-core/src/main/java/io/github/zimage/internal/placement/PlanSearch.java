package io.github.zimage.internal.placement;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Looks for the best of all combinations of options. Goes through them component by component, and leaves out those of which the
 * components chosen so far already move, or keep, more than the best combination that was found.
 */
final class PlanSearch {
    private static final Comparator<PlanCosts.Candidate> BETTER = Comparator.comparingLong(PlanCosts.Candidate::moved)
            .thenComparing(candidate -> candidate.tile() > 0)
            .thenComparingInt(PlanCosts.Candidate::complexity)
            .thenComparingLong(PlanCosts.Candidate::peak);
    private static final Comparator<PlanCosts.Candidate> SMALLER =
            Comparator.comparingLong(PlanCosts.Candidate::peak).thenComparing(BETTER);

    private final PlanCosts costs;
    private final List<List<PlanCosts.Option>> options;
    private final List<Integer> tiles;
    private final boolean smallest;
    private final long limit;
    /** What the components from the n-th on move, and keep while they do not run, at the least. */
    private final long[] leastMoved;

    private final long[] leastIdle;
    private PlanCosts.@Nullable Candidate best;

    /**
     * Prepares a search.
     *
     * @param options what can be chosen for each component
     * @param tiles what can be chosen for the decoding
     * @param smallest whether what needs the least is looked for, instead of what moves the least and fits
     */
    PlanSearch(PlanCosts costs, List<List<PlanCosts.Option>> options, List<Integer> tiles, boolean smallest) {
        this.costs = costs;
        this.tiles = tiles;
        this.smallest = smallest;
        limit = smallest ? Long.MAX_VALUE : costs.machine().limit();
        Comparator<PlanCosts.Option> order = smallest
                ? Comparator.comparingLong(PlanCosts.Option::idle)
                : Comparator.comparingLong(PlanCosts.Option::moved);
        this.options = options.stream()
                .map(each -> each.stream().sorted(order).toList())
                .toList();
        leastMoved = new long[options.size() + 1];
        leastIdle = new long[options.size() + 1];
        for (int i = options.size() - 1; i >= 0; i--) {
            leastMoved[i] = leastMoved[i + 1]
                    + options.get(i).stream()
                            .mapToLong(PlanCosts.Option::moved)
                            .min()
                            .orElseThrow();
            leastIdle[i] = leastIdle[i + 1]
                    + options.get(i).stream()
                            .mapToLong(PlanCosts.Option::idle)
                            .min()
                            .orElseThrow();
        }
    }

    /** Returns the best combination, or null if none fits. */
    PlanCosts.@Nullable Candidate best() {
        choose(new ArrayList<>(), 0, costs.machine().base());
        return best;
    }

    private void choose(List<PlanCosts.Option> chosen, long moved, long idle) {
        int next = chosen.size();
        if (isHopeless(moved + leastMoved[next], idle + leastIdle[next])) {
            return;
        }
        if (next == options.size()) {
            tiles.forEach(tile -> compare(costs.candidate(chosen, tile)));
            return;
        }
        for (PlanCosts.Option option : options.get(next)) {
            chosen.add(option);
            choose(chosen, moved + option.moved(), idle + option.idle());
            chosen.remove(next);
        }
    }

    private boolean isHopeless(long moved, long idle) {
        if (idle > limit) {
            return true;
        }
        return best != null && (smallest ? idle > best.peak() : moved > best.moved());
    }

    private void compare(PlanCosts.Candidate candidate) {
        boolean fits = candidate.peak() <= limit;
        if (fits && (best == null || (smallest ? SMALLER : BETTER).compare(candidate, best) < 0)) {
            best = candidate;
        }
    }
}
