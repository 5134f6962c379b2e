package io.github.zimage;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.request.StepMasks;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How pictures get from noise to what they show: the method that takes the steps, the noise levels between them, and which evaluations of the
 * transformer are left out.
 *
 * @param sampler the method
 * @param schedule how the levels are spread over the steps
 * @param shift how far the levels are pushed towards noise, above 0 and at most 100: {@code shift * u / (1 + (shift - 1) * u)} of an even
 *     level u; null for the checkpoint's own, which is 3 for Z-Image-Turbo
 * @param stepCache which evaluations are left out; null for what the pipeline's profile says where that can be, and else none
 */
public record Sampling(
        Sampler sampler,
        Schedule schedule,
        @Nullable Double shift,
        @Nullable StepCache stepCache) {
    /** The model's own. */
    public static final Sampling DEFAULT = new Sampling(Sampler.EULER, Schedule.SIMPLE, null, null);

    /** Checks that there is a sampler and a schedule. */
    public Sampling {
        Given.value(sampler, "sampler");
        Given.value(schedule, "schedule");
    }

    /** Returns a sampler and a schedule without a step cache of their own. */
    public Sampling(Sampler sampler, Schedule schedule, @Nullable Double shift) {
        this(sampler, schedule, shift, null);
    }

    /** Returns a sampler with the model's own noise levels. */
    public static Sampling of(Sampler sampler) {
        return DEFAULT.withSampler(sampler);
    }

    /** Returns the same with another sampler. */
    public Sampling withSampler(Sampler other) {
        return new Sampling(other, schedule, shift, stepCache);
    }

    /** Returns the same with another schedule. */
    public Sampling withSchedule(Schedule other) {
        return new Sampling(sampler, other, shift, stepCache);
    }

    /** Returns the same with another shift, above 0 and at most 100. */
    public Sampling withShift(double other) {
        return new Sampling(sampler, schedule, other, stepCache);
    }

    /** Returns the same with another step cache. */
    public Sampling withStepCache(StepCache other) {
        return new Sampling(sampler, schedule, shift, Given.value(other, "stepCache"));
    }

    /**
     * Returns how often the transformer is evaluated for a picture, not counting guidance, which doubles it. Of {@link StepCache.Kind#FIRST_BLOCK} that
     * is known only afterwards: all are counted.
     *
     * @param steps at least 1
     */
    public int evaluations(int steps) {
        if (stepCache == null) {
            return sampler.evaluations(steps);
        }
        int count = 0;
        for (int step = 0; step < steps; step++) {
            int own = step + 1 < steps ? sampler.evaluationsPerStep : 1;
            count += stepCache.computes(step, steps) ? own : 0;
        }
        return count;
    }

    /**
     * How pictures get from one noise level to the next. Names are those of ComfyUI's samplers; {@link #diffusersName} tells diffusers' scheduler.
     *
     * <p>With pure noise x at the level 1 and the transformer's velocity v, {@code x0 = x + sigma * v} is what it takes the picture to be.
     */
    public enum Sampler {
        /** Euler's method, of first order: the model's own. */
        EULER(
                "euler",
                "FlowMatchEulerDiscreteScheduler",
                1,
                false,
                "follows the velocity; what the model is published with"),

        /** Euler's method to a lower level, and noise up to the next one. */
        EULER_ANCESTRAL(
                "euler_ancestral",
                "",
                1,
                true,
                "Euler with fresh noise in each step; more grain and detail, less composed"),

        /** Heun's method, of second order. */
        HEUN(
                "heun",
                "FlowMatchHeunDiscreteScheduler",
                2,
                false,
                "second order by two evaluations a step; for few steps and time"),

        /** DPM-Solver++ (2M), of second order. */
        DPMPP_2M(
                "dpmpp_2m", "DPMSolverMultistepScheduler", 1, false, "second order from the evaluation before; smooth"),

        /** DPM-Solver++ (SDE), of second order, stochastic. */
        DPMPP_SDE(
                "dpmpp_sde", "DPMSolverSDEScheduler", 2, true, "second order with fresh noise, two evaluations a step"),

        /** A multistep exponential integrator of second order. */
        RES_MULTISTEP("res_multistep", "", 1, false, "second order, exponential; ComfyUI's template for Z-Image"),

        /** UniPC of second order. */
        UNI_PC(
                "uni_pc",
                "UniPCMultistepScheduler",
                1,
                false,
                "predicts and corrects, second order, one evaluation a step"),

        /** Latent consistency: the picture that is seen, and fresh noise. */
        LCM(
                "lcm",
                "FlowMatchLCMScheduler",
                1,
                true,
                "for few-step models: what is seen, with fresh noise of the next level");

        private final String id;
        private final String diffusersName;
        private final int evaluationsPerStep;
        private final boolean stochastic;
        private final String summary;

        Sampler(String id, String diffusersName, int evaluationsPerStep, boolean stochastic, String summary) {
            this.id = id;
            this.diffusersName = diffusersName;
            this.evaluationsPerStep = evaluationsPerStep;
            this.stochastic = stochastic;
            this.summary = summary;
        }

        /** Returns its name in ComfyUI, in JSON and on the command line, such as {@code dpmpp_2m}. */
        public String id() {
            return id;
        }

        /** Returns the class that does the same in diffusers, or an empty text if none does. */
        public String diffusersName() {
            return diffusersName;
        }

        /** Returns whether noise is added between the steps, from the picture's own seed. */
        public boolean isStochastic() {
            return stochastic;
        }

        /** Returns in a few words what it does. */
        public String summary() {
            return summary;
        }

        /**
         * Returns how often the transformer is evaluated for a picture, which is what it costs; with guidance, twice as often.
         *
         * @param steps at least 1
         */
        public int evaluations(int steps) {
            return evaluationsPerStep * (steps - 1) + 1;
        }

        /**
         * Finds one by its {@link #id}, whatever the case and with {@code -} for {@code _}.
         *
         * @throws IllegalArgumentException if there is none; the message lists all
         */
        public static Sampler of(String id) {
            return find(values(), Sampler::id, "sampler", id);
        }

        @Override
        public String toString() {
            return id;
        }
    }

    /**
     * How noise levels are spread over the steps, from 1 (noise) to 0 (picture). Names are those of ComfyUI's schedulers.
     *
     * <p>All but {@link #SIMPLE} and {@link #DYNAMIC} are computed as in ComfyUI for a flow matching model, over levels of 1000 times.
     */
    public enum Schedule {
        /** Even levels, shifted: the model's own, and diffusers'. */
        SIMPLE("simple", "even levels, shifted as the checkpoint says; what the model is published with"),

        /** As {@link #SIMPLE}, with diffusers' shift that grows with the picture. */
        DYNAMIC("dynamic", "as simple, with a shift that grows with the size of the picture"),

        /** Even levels between 1 and the lowest level of the table, that one left out, shifted once more. */
        SGM_UNIFORM("sgm_uniform", "nearly as simple; ends at a slightly higher level"),

        /** Even levels between 1 and the lowest level of the table, shifted once more. */
        NORMAL("normal", "as sgm_uniform, with a last step near the picture"),

        /** Levels at quantiles of the distribution Beta(0.6, 0.6): dense at both ends. */
        BETA("beta", "more steps at both ends; more detail"),

        /** Karras' spacing with rho 7. */
        KARRAS("karras", "many steps near the picture, few in the noise"),

        /** Even in the logarithm of the level. */
        EXPONENTIAL("exponential", "still more steps near the picture"),

        /** Even in the arc tangent of the level (Align Your Steps, arXiv 2404.14507). */
        KL_OPTIMAL("kl_optimal", "even in the arc tangent of the level; near the picture as well");

        private final String id;
        private final String summary;

        Schedule(String id, String summary) {
            this.id = id;
            this.summary = summary;
        }

        /** Returns its name in ComfyUI, in JSON and on the command line, such as {@code sgm_uniform}. */
        public String id() {
            return id;
        }

        /** Returns in a few words what it does. */
        public String summary() {
            return summary;
        }

        /**
         * Finds one by its {@link #id}, whatever the case and with {@code -} for {@code _}.
         *
         * @throws IllegalArgumentException if there is none; the message lists all
         */
        public static Schedule of(String id) {
            return find(values(), Schedule::id, "schedule", id);
        }

        @Override
        public String toString() {
            return id;
        }
    }

    /**
     * Which evaluations of the transformer are left out, or left early, since little changes from one to the next. For models of many steps, such
     * as Z-Image's base model; pictures come out nearly the same.
     *
     * @param kind how that is decided
     * @param mask for {@link Kind#MASK}: {@code slow}, {@code medium} or {@code fast}, which compute 19, 16 and 13 of 28 steps, or for each step a 1 if it is computed and a 0 if
     *     not, where the first and the last are computed; otherwise empty
     * @param threshold for {@link Kind#FIRST_BLOCK}: the change below which blocks are left out, from 0 (never) to 1; otherwise 0
     */
    public record StepCache(Kind kind, String mask, double threshold) {
        /** All steps are computed. */
        public static final StepCache OFF = new StepCache(Kind.OFF, "", 0);

        /** With fewer steps than these, nothing is left out. */
        public static final int LEAST_STEPS = 12;

        private static final String RULE =
                "off, mask=slow, mask=medium, mask=fast, mask= with a 1 (computed) or 0 (not) for each step, first and last 1,"
                        + " or fb= with a threshold from 0 to 1";

        /** How it is decided what is left out. */
        public enum Kind {
            /** Nothing is left out. */
            OFF("off"),

            /**
             * A mask says it, known before: whole evaluations, whose velocities are extrapolated, to first order in the noise level, from the two
             * before. Works with streamed and with recorded weights.
             */
            MASK("mask"),

            /**
             * First block cache: all but the first main block are left out where that block's residual has changed by less than a threshold, in
             * mean magnitude, and what they added before is added again. Only where the transformer's weights stay and it is not compiled.
             */
            FIRST_BLOCK("fb");

            private final String id;

            Kind(String id) {
                this.id = id;
            }
        }

        /**
         * Checks the values.
         *
         * @throws IllegalArgumentException if the mask is none, or the threshold not from 0 to 1
         */
        public StepCache {
            Given.value(kind, "kind");
            Given.value(mask, "mask");
            boolean fits = kind == Kind.MASK ? StepMasks.isMask(mask) : mask.isEmpty();
            if (!fits || !(threshold >= 0 && threshold <= 1) || (threshold > 0 && kind != Kind.FIRST_BLOCK)) {
                throw wrong(text(kind, mask, threshold));
            }
        }

        /** Returns one by a mask; see {@link #mask()}. */
        public static StepCache mask(String mask) {
            return new StepCache(Kind.MASK, mask, 0);
        }

        /** Returns one by the first block's residual. */
        public static StepCache firstBlock(double threshold) {
            return new StepCache(Kind.FIRST_BLOCK, "", threshold);
        }

        /**
         * Reads what {@link #toString} writes: {@code off}, {@code mask=medium}, {@code fb=0.1}.
         *
         * @throws IllegalArgumentException if it is no such text; the message tells the rule
         */
        public static StepCache of(String text) {
            String given = Given.value(text, "stepCache").strip();
            if (given.equals(Kind.OFF.id)) {
                return OFF;
            }
            int value = given.indexOf('=') + 1;
            try {
                if (given.startsWith("mask=")) {
                    return mask(given.substring(value));
                }
                if (given.startsWith("fb=")) {
                    return firstBlock(Double.parseDouble(given.substring(value)));
                }
            } catch (NumberFormatException e) {
                throw wrong(text);
            }
            throw wrong(text);
        }

        private static IllegalArgumentException wrong(String text) {
            return new IllegalArgumentException(
                    "stepCache must be %s, but was %s".formatted(RULE, ShownText.quoted(text)));
        }

        /**
         * Returns whether a step is computed, as far as that is known before. In fewer than {@link #LEAST_STEPS} all are.
         *
         * @param step from 0
         * @param steps how many there are
         */
        public boolean computes(int step, int steps) {
            return kind != Kind.MASK || steps < LEAST_STEPS || StepMasks.computes(mask, step, steps);
        }

        private static String text(Kind kind, String mask, double threshold) {
            return kind == Kind.OFF ? kind.id : kind.id + "=" + (kind == Kind.MASK ? mask : Double.toString(threshold));
        }

        /** Returns it as on the command line, such as {@code mask=medium}. */
        @Override
        public String toString() {
            return text(kind, mask, threshold);
        }
    }

    private static <E> E find(E[] values, Function<E, String> id, String what, String name) {
        String normalized =
                Given.value(name, what).strip().toLowerCase(Locale.ROOT).replace('-', '_');
        for (E value : values) {
            if (id.apply(value).equals(normalized)) {
                return value;
            }
        }
        String all = Arrays.stream(values).map(id).collect(Collectors.joining(", "));
        throw new IllegalArgumentException(
                "%s must be one of %s, but was %s".formatted(what, all, ShownText.quoted(name)));
    }
}
