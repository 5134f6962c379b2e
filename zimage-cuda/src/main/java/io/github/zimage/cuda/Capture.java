package io.github.zimage.cuda;

/**
 * CUDA's and LibTorch's calls for recording, on one card.
 *
 * @param <G> what was captured
 * @param <E> what can be launched
 */
interface Capture<G, E> extends AutoCloseable {
    /** Makes the stream for recording the current one, behind all that has been ordered. */
    void enter();

    /** Makes the stream current again that was before, behind all that has been ordered on the one for recording. */
    void leave();

    /** Waits for the card and gives the memory back that LibTorch keeps for later: neither can be done while something is captured. */
    void prepare();

    /** Lets what is allocated on the stream for recording come from the pool, which from then on has one user more. */
    void beginPool();

    /** Ends what {@link #beginPool} began, but for the user. */
    void endPool();

    /** Takes a user from the pool; when it has none, its memory is free. */
    void releasePool();

    /** Begins to capture what is ordered on the stream for recording. */
    void begin();

    /** Ends that. To be called even if what was captured could not be. */
    G end();

    /** Makes what was captured something that can be launched. */
    E instantiate(G captured);

    /** Frees what was captured. */
    void destroyCaptured(G captured);

    /** Orders it on the current stream. */
    void launch(E executable);

    /** Frees what could be launched, when the card is done with it. */
    void destroy(E executable);

    /** Frees the calls' own memory. */
    @Override
    void close();
}
