package io.github.zimage.internal.nn;

/** The first factors of what adapters add to layers that take the same rows, one below the other: one product for all of them. */
public interface Down {

    /**
     * Returns the product with the factors.
     *
     * @param x [S, in], made by the {@link Kernels} that made the factors
     * @return [S, ranks] of the type of the second factors; with the scale of x, or with none if it is in the values
     */
    Rows product(Rows x);
}
