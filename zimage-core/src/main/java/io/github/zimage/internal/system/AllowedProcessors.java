package io.github.zimage.internal.system;

import io.github.zimage.internal.system.ControlGroups.Group;
import java.util.BitSet;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * The processors that this process may compute on: those that its affinity and its control groups' sets leave, and no more than the
 * smallest quota of its group and all above it gives time for.
 */
public final class AllowedProcessors {
    /** More than Linux can be built for. */
    private static final int MOST = 1 << 14;

    private final BitSet numbers;
    private final OptionalDouble quota;

    /** Reads them as they are now. */
    public AllowedProcessors(SystemFiles files) {
        numbers = parse(files.value("proc/self/status", "Cpus_allowed_list"));
        quota = new ControlGroups(files)
                .of("cpu").stream()
                        .map(group -> quota(files, group))
                        .filter(OptionalDouble::isPresent)
                        .mapToDouble(OptionalDouble::getAsDouble)
                        .min();
    }

    /** Returns how many there are, at least 1; a quota of one and a half counts as two. Where the system does not tell, what Java knows. */
    public int count() {
        int count = Runtime.getRuntime().availableProcessors();
        if (!numbers.isEmpty()) {
            count = Math.min(count, numbers.cardinality());
        }
        if (quota.isPresent()) {
            count = (int) Math.min(count, Math.ceil(quota.getAsDouble()));
        }
        return Math.max(1, count);
    }

    /** Returns how many the affinity leaves, whatever the quota. Where the system does not tell, what Java knows. */
    public int byAffinity() {
        return numbers.isEmpty() ? Runtime.getRuntime().availableProcessors() : numbers.cardinality();
    }

    /** Returns the numbers of those that the affinity leaves; none if the system does not tell. */
    BitSet numbers() {
        return (BitSet) numbers.clone();
    }

    /** Returns the processors' worth of time that a group may use. */
    private static OptionalDouble quota(SystemFiles files, Group group) {
        if (group.unified()) {
            String[] fields = files.text(group.file("cpu.max")).strip().split("\\s+", -1);
            return fields.length == 2
                    ? ratio(SystemFiles.parse(fields[0]), SystemFiles.parse(fields[1]))
                    : OptionalDouble.empty();
        }
        return ratio(files.number(group.file("cpu.cfs_quota_us")), files.number(group.file("cpu.cfs_period_us")));
    }

    private static OptionalDouble ratio(OptionalLong quota, OptionalLong period) {
        return quota.orElse(0) > 0 && period.orElse(0) > 0
                ? OptionalDouble.of((double) quota.getAsLong() / period.getAsLong())
                : OptionalDouble.empty();
    }

    /** Reads a list such as {@code 0-3,8}; none if it is no such list. */
    static BitSet parse(String list) {
        BitSet numbers = new BitSet();
        for (String range : list.split(",", -1)) {
            String[] ends = range.strip().split("-", 2);
            OptionalLong first = SystemFiles.parse(ends[0]);
            OptionalLong last = SystemFiles.parse(ends[ends.length - 1]);
            if (first.isEmpty() || last.isEmpty() || last.getAsLong() >= MOST || first.getAsLong() > last.getAsLong()) {
                return new BitSet();
            }
            numbers.set((int) first.getAsLong(), (int) last.getAsLong() + 1);
        }
        return numbers;
    }
}
