package io.github.zimage.bench;

import static io.github.zimage.bench.Findings.round;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Which kernels a step takes its time with. */
final class KernelShares {
    private static final int SHOWN = 30;

    private KernelShares() {}

    /**
     * Returns a line for each kernel that two steps take more than one, those that take longest first, and one for all of them.
     *
     * @param one what a picture of one step ran
     * @param two what a picture of two steps ran
     */
    static List<Map<String, Object>> ofOneStep(Map<String, KernelTrace.Total> one, Map<String, KernelTrace.Total> two) {
        KernelTrace.Total none = new KernelTrace.Total(0, 0);
        Map<String, KernelTrace.Total> step = new LinkedHashMap<>();
        two.forEach((name, total) -> step.put(name, total.minus(one.getOrDefault(name, none))));
        step.values().removeIf(total -> total.calls() <= 0);
        KernelTrace.Total all = step.values().stream().reduce(none, KernelTrace.Total::plus);
        List<Map<String, Object>> lines = new ArrayList<>();
        step.entrySet().stream()
                .sorted(Comparator.comparing((Map.Entry<String, KernelTrace.Total> each) ->
                        -each.getValue().nanos()))
                .limit(SHOWN)
                .forEach(each -> lines.add(kernel(each.getKey(), each.getValue(), all)));
        lines.add(kernel("all", all, all));
        return lines;
    }

    private static Map<String, Object> kernel(String name, KernelTrace.Total total, KernelTrace.Total all) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("kernel", name);
        line.put("calls", total.calls());
        line.put("ms", round(total.nanos() / 1e6));
        line.put("share", round(total.nanos() / (double) Math.max(1, all.nanos())));
        return line;
    }
}
