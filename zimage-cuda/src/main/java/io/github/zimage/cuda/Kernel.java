package io.github.zimage.cuda;

import java.util.List;
import java.util.NavigableMap;

/**
 * A kernel as it was compiled: what build.py wrote into the manifest.
 *
 * @param name the name of the variant, which is that of its files
 * @param entry the name of the function in the PTX
 * @param arguments what a launch passes, in order; two pointers to scratch memory that is not used follow them
 * @param threads threads a block
 * @param sharedBytes bytes of shared memory a block, by the compute capability that the PTX is for, such as 90
 */
record Kernel(
        String name, String entry, List<Argument> arguments, int threads, NavigableMap<Integer, Integer> sharedBytes) {

    /** What Triton appends to the parameters of every kernel: pointers to global scratch and to profiling scratch. */
    static final int SCRATCH_POINTERS = 2;

    /**
     * An argument.
     *
     * @param aligned whether it must be a multiple of 16: of bytes for a pointer, of elements for a number
     */
    record Argument(String name, ArgumentType type, boolean aligned) {}

    /** Returns the capability whose PTX a card runs best: the highest up to its own; 0 if the card is older than all. */
    int capabilityFor(int card) {
        Integer capability = sharedBytes.floorKey(card);
        return capability == null ? 0 : capability;
    }

    /** Returns the name of the file that holds the PTX for a capability. */
    String file(int capability) {
        return name + ".sm_" + capability + ".ptx";
    }
}
