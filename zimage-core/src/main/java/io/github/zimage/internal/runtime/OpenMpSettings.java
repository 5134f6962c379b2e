package io.github.zimage.internal.runtime;

import io.github.zimage.internal.io.ShownText;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How LibTorch's threads are to wait for each other, and how many there are, by the environment. What the user set stays, unless it is
 * a number of threads that is none: that counts as not set.
 *
 * <p>OpenMP's threads are made for a machine of their own. One that is done with its part spins, for milliseconds, until the others
 * are. If another program computes, it may spin on the very processor that the one needs that it waits for.
 *
 * @param changes values of variables by name; null for those that are to be taken away
 * @param invalid the variables that are taken away, with what they were
 */
record OpenMpSettings(Map<String, @Nullable String> changes, Map<String, String> invalid) {
    /** How many times a thread looks whether the others are done before it sleeps: half a millisecond, not ten as by default. */
    static final String SPIN_COUNT = "10000";

    private static final String SPIN_COUNT_NAME = "GOMP_SPINCOUNT";
    private static final String WAIT_POLICY_NAME = "OMP_WAIT_POLICY";
    private static final String LIMIT_NAME = "OMP_THREAD_LIMIT";
    /** Lets the runtime give fewer threads than it was asked for. oneDNN and OpenBLAS leave the work of those that are missing undone. */
    private static final String DYNAMIC_NAME = "OMP_DYNAMIC";

    private static final List<String> THREADS_NAMES = List.of("OMP_NUM_THREADS", "MKL_NUM_THREADS");

    /** As many as {@code PipelineBuilder.threads} takes. More end the process where the system does not let it have them. */
    private static final int MOST_THREADS = 1024;

    /** With a thousand on two processors, each operation takes a second, and loading a minute. */
    private static final int MOST_PER_PROCESSOR = 4;

    private static final Pattern SPINS = Pattern.compile("(?i)[0-9]{1,18}\\s*[kmgt]?|infinite|infinity");
    private static final Pattern POLICIES = Pattern.compile("(?i)active|passive");

    /** A number, or one for each level of nested teams. */
    private static final Pattern NUMBERS = Pattern.compile("\\s*\\d{1,9}\\s*(,\\s*\\d{1,9}\\s*)*");

    /**
     * Returns how many threads may compute, whatever is asked for.
     *
     * @param allowed how many processors this process may compute on
     */
    static int most(int allowed) {
        return Math.min(MOST_THREADS, MOST_PER_PROCESSOR * allowed);
    }

    /**
     * Returns the settings for an environment.
     *
     * @param allowed how many processors this process may compute on
     */
    static OpenMpSettings of(Map<String, String> environment, int allowed) {
        Map<String, @Nullable String> changes = new LinkedHashMap<>();
        Map<String, String> invalid = new LinkedHashMap<>();
        for (String name : THREADS_NAMES) {
            String value = environment.get(name);
            if (value != null && !isValid(value, allowed)) {
                changes.put(name, null);
                invalid.put(name, value);
            }
        }
        for (String name : List.of(LIMIT_NAME, DYNAMIC_NAME)) {
            if (environment.containsKey(name)) {
                changes.put(name, null);
            }
        }
        boolean spins = isWay(environment, SPIN_COUNT_NAME, SPINS, changes, invalid);
        boolean waits = isWay(environment, WAIT_POLICY_NAME, POLICIES, changes, invalid);
        if (!spins && !waits) {
            changes.put(SPIN_COUNT_NAME, SPIN_COUNT);
        }
        return new OpenMpSettings(changes, invalid);
    }

    /** Returns whether a variable says how threads wait; takes away what says nothing. */
    private static boolean isWay(
            Map<String, String> environment,
            String name,
            Pattern ways,
            Map<String, @Nullable String> changes,
            Map<String, String> invalid) {
        String value = environment.get(name);
        if (value == null) {
            return false;
        }
        boolean valid = ways.matcher(value.strip()).matches();
        if (!valid) {
            changes.put(name, null);
            invalid.put(name, value);
        }
        return valid;
    }

    /**
     * Returns how many threads an environment lets a process have at most; LibTorch's are all of them.
     *
     * @param otherwise how many if it says nothing
     */
    static int limit(Map<String, String> environment, int otherwise) {
        String value = environment.getOrDefault(LIMIT_NAME, "").strip();
        return value.matches("[1-9][0-9]{0,8}") ? Integer.parseInt(value) : otherwise;
    }

    /** Returns whether the user left it to us how threads wait. */
    boolean spinsBriefly() {
        return changes.get(SPIN_COUNT_NAME) != null;
    }

    /** Returns whether an environment says how many threads there shall be. */
    static boolean choosesThreads(Map<String, String> environment, int allowed) {
        return THREADS_NAMES.stream().anyMatch(name -> {
            String value = environment.get(name);
            return value != null && isValid(value, allowed);
        });
    }

    private static boolean isValid(String value, int allowed) {
        if (!NUMBERS.matcher(value).matches()) {
            return false;
        }
        for (String number : value.split(",", -1)) {
            int threads = Integer.parseInt(number.strip());
            if (threads < 1 || threads > most(allowed)) {
                return false;
            }
        }
        return true;
    }

    /**
     * Returns what to tell the user, a line each.
     *
     * @param threads how many compute
     * @param allowed how many processors this process may compute on
     */
    List<String> warnings(int threads, int allowed) {
        List<String> warnings = new ArrayList<>();
        boolean threadsInvalid = false;
        for (Map.Entry<String, String> each : invalid.entrySet()) {
            threadsInvalid |= THREADS_NAMES.contains(each.getKey());
            warnings.add(warning(each.getKey(), each.getValue(), threads, allowed));
        }
        if (!threadsInvalid && threads > allowed) {
            warnings.add(
                    "%d threads are to compute, but this process may use only %d %s: set OMP_NUM_THREADS to that, or leave it unset"
                            .formatted(threads, allowed, allowed == 1 ? "processor" : "processors"));
        }
        return warnings;
    }

    private static String warning(String name, String value, int threads, int allowed) {
        String shown = ShownText.cut(value);
        if (!THREADS_NAMES.contains(name)) {
            String rule = name.equals(SPIN_COUNT_NAME) ? "a number or INFINITE" : "ACTIVE or PASSIVE";
            return "%s must be %s, but is '%s': it counts as not set".formatted(name, rule, shown);
        }
        return "%s must be a number of threads from 1 to %d here, but is '%s': it counts as not set, and %d compute, on %d %s"
                .formatted(name, most(allowed), shown, threads, allowed, allowed == 1 ? "processor" : "processors");
    }
}
