package io.github.zimage;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What a LoRA's file holds and what of it is applied: nothing is left out that is not said here.
 *
 * @param name the file's name without its ending
 * @param applied what is applied, one a module
 * @param skipped what is not, and why
 * @param metadata what the file says of itself, such as {@code ss_base_model_version}; control characters replaced, long texts cut
 */
public record LoraReport(String name, List<Applied> applied, List<Skipped> skipped, Map<String, String> metadata) {
    private static final int SHOWN = 10;

    /**
     * What is done to a module.
     *
     * @param component the component that the module belongs to
     * @param module its name, as in the checkpoint
     * @param kind LoRA, LoHa, LoKr, difference, or one of them with DoRA
     * @param rule how the file names the parts: what stands before a module's name, {@code *}, and what behind it
     * @param rank the rank; 0 if there is none
     * @param alpha the alpha that the file states; null if it states none
     * @param scale what the product of the parts is multiplied by at weight 1
     */
    public record Applied(
            Component component,
            String module,
            String kind,
            String rule,
            int rank,
            @Nullable Double alpha,
            double scale) {}

    /**
     * What is not applied.
     *
     * @param tensor the name in the file
     * @param reason why not
     */
    public record Skipped(String tensor, String reason) {}

    /** Copies the lists. */
    public LoraReport {
        applied = List.copyOf(applied);
        skipped = List.copyOf(skipped);
        metadata = Map.copyOf(metadata);
    }

    /** Returns whether all that the file holds is applied. */
    public boolean isComplete() {
        return skipped.isEmpty();
    }

    /** Returns the report in one line. */
    public String summary() {
        Map<String, Integer> kinds = new LinkedHashMap<>();
        TreeSet<Integer> ranks = new TreeSet<>();
        for (Applied each : applied) {
            kinds.merge(each.kind(), 1, Integer::sum);
            if (each.rank() > 0) {
                ranks.add(each.rank());
            }
        }
        List<String> parts = new ArrayList<>();
        kinds.forEach((kind, count) -> parts.add(count + " modules of " + kind));
        if (!ranks.isEmpty()) {
            parts.add(
                    ranks.first().equals(ranks.last())
                            ? "rank " + ranks.first()
                            : "ranks " + ranks.first() + " to " + ranks.last());
        }
        parts.add(skipped.isEmpty() ? "all applied" : skipped.size() + " tensors not applied");
        return "LoRA " + name + ": " + String.join(", ", parts);
    }

    /** Returns the report for people: how many modules by which rule, their ranks and strengths, and what is not applied. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(summary());
        Map<String, List<Applied>> rules = new LinkedHashMap<>();
        for (Applied each : applied) {
            String rule = "%s by %s of the %s".formatted(each.kind(), each.rule(), each.component());
            rules.computeIfAbsent(rule, key -> new ArrayList<>()).add(each);
        }
        rules.forEach((rule, modules) -> {
            Applied first = modules.get(0);
            text.append(String.format(
                    Locale.ROOT,
                    "%n  %d modules, %s: rank %d, alpha %s, strength %.4g, such as %s",
                    modules.size(),
                    rule,
                    first.rank(),
                    first.alpha() == null ? "not stated" : first.alpha(),
                    first.scale(),
                    first.module()));
        });
        skipped.stream()
                .limit(SHOWN)
                .forEach(each -> text.append(String.format("%n  not applied: %s: %s", each.tensor(), each.reason())));
        if (skipped.size() > SHOWN) {
            text.append(String.format("%n  and %d more that are not applied", skipped.size() - SHOWN));
        }
        return text.toString();
    }
}
