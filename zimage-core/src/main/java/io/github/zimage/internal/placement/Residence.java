package io.github.zimage.internal.placement;

/**
 * How the weights of a component stay in the memory of the device that computes with them.
 *
 * @param kind whether they stay
 * @param residentBlocks how many of the blocks stay, spread evenly over the component; 0 unless {@link Kind#STREAMED}
 * @param slots how many of the other blocks have room at one time; 0 unless {@link Kind#STREAMED}
 */
public record Residence(Kind kind, int residentBlocks, int slots) {

    /** Whether weights stay. */
    public enum Kind {
        /** Loaded once; stay until the pipeline is closed. */
        RESIDENT,
        /** Loaded before the component is used and let go after it. */
        PARKED,
        /** Some blocks stay, the others come one after another, each time that the component runs. */
        STREAMED
    }

    /** Checks the numbers. */
    public Residence {
        boolean streamed = kind == Kind.STREAMED;
        if (residentBlocks < 0 || (!streamed && residentBlocks > 0)) {
            throw new IllegalArgumentException(
                    "residentBlocks must be 0 or, if streamed, more, but was " + residentBlocks);
        }
        if (streamed ? slots < 2 : slots != 0) {
            throw new IllegalArgumentException("slots must be 2 or more if streamed and 0 if not, but was " + slots);
        }
    }

    /** Returns the residence of weights that are loaded once. */
    public static Residence resident() {
        return new Residence(Kind.RESIDENT, 0, 0);
    }

    /** Returns the residence of weights that are loaded for each use. */
    public static Residence parked() {
        return new Residence(Kind.PARKED, 0, 0);
    }

    /** Returns the residence of weights whose blocks come one after another. */
    public static Residence streamed(int residentBlocks, int slots) {
        return new Residence(Kind.STREAMED, residentBlocks, slots);
    }

    /** Returns whether one of {@code blocks} blocks stays. */
    boolean stays(int block, int blocks) {
        if (kind != Kind.STREAMED) {
            return true;
        }
        long resident = Math.min(residentBlocks, blocks);
        return (block + 1) * resident / blocks > block * resident / blocks;
    }
}
