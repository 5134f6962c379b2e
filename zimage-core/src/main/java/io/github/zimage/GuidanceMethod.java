package io.github.zimage;

import io.github.zimage.internal.io.Given;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * How classifier-free guidance combines what the model predicts for the prompt, P, and for the negative prompt, N. With guidance g:
 *
 * @param kind the formula
 * @param rescale how far the result gets the standard deviation of P back, from 0 (not, the default) to 1 (arXiv 2305.08891)
 * @param zeroSteps for {@link Kind#CFG_ZERO}: in how many first steps pictures do not move, from 0, the default, to 1000; diffusers has 1
 * @param momentum for {@link Kind#APG}: the share of earlier differences in each, from -1 to 1; 0 is none
 * @param threshold for {@link Kind#APG}: the largest length of a difference per number, from 0 (no limit) to 1000
 * @param eta for {@link Kind#APG}: what is left of the difference in the direction of P, from 0 to 1
 */
public record GuidanceMethod(Kind kind, double rescale, int zeroSteps, double momentum, double threshold, double eta) {
    /** Plain guidance, as Z-Image's pipeline has it. */
    public static final GuidanceMethod DEFAULT = new GuidanceMethod(Kind.CFG, 0, 0, 0, 0, 1);

    /** CFG-Zero* without still steps. */
    public static final GuidanceMethod ZERO_STAR = DEFAULT.withKind(Kind.CFG_ZERO);

    /** Adaptive projected guidance without momentum and limit. */
    public static final GuidanceMethod PROJECTED = DEFAULT.withKind(Kind.APG).withEta(0);

    /** Checks that there is a formula. */
    public GuidanceMethod {
        Given.value(kind, "kind");
    }

    /** Returns the same with another formula. */
    public GuidanceMethod withKind(Kind other) {
        return new GuidanceMethod(other, rescale, zeroSteps, momentum, threshold, eta);
    }

    /** Returns the same with another share of rescaling. */
    public GuidanceMethod withRescale(double other) {
        return new GuidanceMethod(kind, other, zeroSteps, momentum, threshold, eta);
    }

    /** Returns the same with another number of still steps. */
    public GuidanceMethod withZeroSteps(int other) {
        return new GuidanceMethod(kind, rescale, other, momentum, threshold, eta);
    }

    /** Returns the same with another momentum. */
    public GuidanceMethod withMomentum(double other) {
        return new GuidanceMethod(kind, rescale, zeroSteps, other, threshold, eta);
    }

    /** Returns the same with another limit of differences. */
    public GuidanceMethod withThreshold(double other) {
        return new GuidanceMethod(kind, rescale, zeroSteps, momentum, other, eta);
    }

    /** Returns the same with another rest in the direction of the prediction. */
    public GuidanceMethod withEta(double other) {
        return new GuidanceMethod(kind, rescale, zeroSteps, momentum, threshold, other);
    }

    /** The formula. */
    public enum Kind {
        /** {@code P + g * (P - N)}. */
        CFG("cfg"),

        /** CFG-Zero* (arXiv 2503.18886): {@code P + g * (P - s * N)} with the s that brings {@code s * N} nearest to P. */
        CFG_ZERO("cfg_zero"),

        /** Adaptive projected guidance (arXiv 2410.02416): {@code P + g * D}, where D is {@code P - N} without most of its part along P. */
        APG("apg");

        private final String id;

        Kind(String id) {
            this.id = id;
        }

        /** Returns its name in JSON and on the command line, such as {@code cfg_zero}. */
        public String id() {
            return id;
        }

        /**
         * Finds one by its {@link #id}.
         *
         * @throws IllegalArgumentException if there is none; the message lists all
         */
        public static Kind of(String id) {
            return Arrays.stream(values())
                    .filter(each -> each.id.equals(id))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("guidance method must be one of "
                            + Arrays.stream(values()).map(Kind::id).collect(Collectors.joining(", "))
                            + ", but was another"));
        }

        @Override
        public String toString() {
            return id;
        }
    }
}
