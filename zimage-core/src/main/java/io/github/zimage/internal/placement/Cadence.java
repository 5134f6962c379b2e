package io.github.zimage.internal.placement;

/** How often a component goes through its blocks for a request. */
public enum Cadence {
    /** Once, with all prompts. */
    PROMPT("prompt"),
    /** In each step, with some of the pictures at a time. */
    STEP("step"),
    /** Once for each picture. */
    PICTURE("picture"),
    /** Once, where pictures start from a picture; otherwise never. */
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
            case STEP -> ((work.pictures() - 1L) / work.picturesAtOnce() + 1) * work.steps();
            case PICTURE -> work.pictures();
            case SOURCE -> work.fromPicture() ? 1 : 0;
            case UPSCALED -> work.upscaling() == null ? 0 : work.pictures();
        };
    }
}
