package io.github.zimage.internal.placement;

/** How often a component goes through its blocks for a request. */
public enum Cadence {
    /** Once, with all prompts. */
    PROMPT("prompt"),
    /** In each step, with some of the pictures at a time. */
    STEP("step"),
    /** As {@link #STEP} where a control picture is there; otherwise never. */
    CONTROLLED_STEP("step with control"),
    /** As {@link #CONTROLLED_STEP}, twice in each. */
    CONTROLLED_STEP_TWICE("half of a step with control"),
    /** Once for each picture. */
    PICTURE("picture"),
    /** Once, where pictures start from a picture or follow one; otherwise never. */
    SOURCE("source picture"),
    /** Once for each picture that is enlarged. */
    UPSCALED("upscaled picture");

    private final String each;

    Cadence(String each) {
        this.each = each;
    }

    /** Returns what it is done for, for people. */
    public String each() {
        return each;
    }

    /** Returns how often blocks that do not stay come for a request. */
    long passes(Workload work) {
        return switch (this) {
            case PROMPT -> 1;
            case STEP -> steps(work);
            case CONTROLLED_STEP -> work.controls() > 0 ? steps(work) : 0;
            case CONTROLLED_STEP_TWICE -> work.controls() > 0 ? 2 * steps(work) : 0;
            case PICTURE -> work.pictures();
            case SOURCE -> work.fromPicture() || work.controls() > 0 ? 1 : 0;
            case UPSCALED -> work.upscaling() == null ? 0 : work.pictures();
        };
    }

    /** Returns whether it is done in each step, of some work at least. */
    boolean isInSteps() {
        return this == STEP || this == CONTROLLED_STEP || this == CONTROLLED_STEP_TWICE;
    }

    private static long steps(Workload work) {
        return ((work.pictures() - 1L) / work.picturesAtOnce() + 1) * work.steps();
    }
}
