package io.github.zimage.internal.schedule;

/**
 * One evaluation of the transformer in a step. Most samplers need one a step.
 *
 * @param step the step
 * @param stage its number in the step, from 0
 * @param stages how many the step has
 * @param sigma the noise level of the latents that are evaluated
 * @param timestep what the transformer is told of it, from 0 (noise) to 1 (picture)
 */
public record Evaluation(Step step, int stage, int stages, float sigma, float timestep) {
    /** Returns whether the step begins with it. */
    public boolean beginsStep() {
        return stage == 0;
    }

    /** Returns whether the step is done after it. */
    public boolean endsStep() {
        return stage + 1 == stages;
    }

    /** Returns whether it is the last of all. */
    public boolean isLast() {
        return step.isLast() && endsStep();
    }
}
