package io.github.zimage.cuda;

/** What NVIDIA's driver tells. */
interface CudaDriver {
    /** What {@link #initialise} returns if there is no card. */
    int NO_DEVICE = 100;

    /** Returns 0, or the number of an error. */
    int initialise();

    /** Returns the CUDA release that the driver is for, times 1000, such as 13000. */
    int version();

    /** Returns how many cards there are. */
    int cards();

    /** Returns a card. */
    CudaCard card(int index);

    /** Returns what CUDA calls an error. */
    String describe(int error);
}
