package io.github.zimage.internal.request;

import java.util.Map;
import java.util.regex.Pattern;

/** Which steps a step cache computes, by a mask that has a name or is written out. */
public final class StepMasks {
    /** Of each so many steps, the last so many are computed. */
    private record Rhythm(int length, int computed) {
        boolean computes(int step) {
            return step % length >= length - computed;
        }
    }

    /**
     * A mask for any number of steps. Its first quarter is computed, where a picture is composed and a velocity changes most.
     *
     * @param middle the rhythm until three fifths of the steps
     * @param end the rhythm behind that, where velocities change least
     */
    private record Named(Rhythm middle, Rhythm end) {}

    private static final Map<String, Named> NAMED = Map.of(
            "slow", new Named(new Rhythm(3, 2), new Rhythm(2, 1)),
            "medium", new Named(new Rhythm(2, 1), new Rhythm(3, 1)),
            "fast", new Named(new Rhythm(3, 1), new Rhythm(4, 1)));

    private static final double BEGINNING = 0.25;
    private static final double MIDDLE = 0.6;

    private static final Pattern WRITTEN_OUT = Pattern.compile("1[01]{0,998}1");

    private StepMasks() {}

    /** Returns whether a text is a name or a mask that is written out. */
    public static boolean isMask(String mask) {
        return NAMED.containsKey(mask) || WRITTEN_OUT.matcher(mask).matches();
    }

    /** Returns whether a mask is written out, for as many steps as it is long. */
    public static boolean isWrittenOut(String mask) {
        return !NAMED.containsKey(mask);
    }

    /**
     * Returns whether a step is computed, as the first and the last always are. A mask that is written out for another number of steps is read at
     * the nearest ones.
     *
     * @param mask one that {@link #isMask} knows
     * @param step from 0
     * @param steps how many there are
     */
    public static boolean computes(String mask, int step, int steps) {
        if (step == 0 || step + 1 == steps) {
            return true;
        }
        Named named = NAMED.get(mask);
        if (named == null) {
            return mask.charAt((int) ((2L * step + 1) * mask.length() / (2L * steps))) == '1';
        }
        int middle = (int) Math.round(BEGINNING * steps);
        int end = (int) Math.round(MIDDLE * steps);
        return step < middle || (step < end ? named.middle.computes(step - middle) : named.end.computes(step - end));
    }
}
