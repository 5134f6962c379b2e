package io.github.zimage.internal.vae;

import org.bytedeco.pytorch.Tensor;

/** A picture [1, C, height, width] whose rows lie in memory or are computed when they are asked for. */
interface RowSource {
    /** Returns the number of rows. */
    long height();

    /** Returns the number of columns. */
    long width();

    /** Returns some rows, [1, C, strip.rows(), width]. */
    Tensor rows(Strip strip);

    /** Frees what the rows come from. */
    void close();

    /** Returns the rows of a tensor, as views. Closing it closes the tensor. */
    static RowSource of(Tensor whole) {
        return new RowSource() {
            @Override
            public long height() {
                return whole.size(2);
            }

            @Override
            public long width() {
                return whole.size(3);
            }

            @Override
            public Tensor rows(Strip strip) {
                return strip.of(whole);
            }

            @Override
            public void close() {
                whole.close();
            }
        };
    }
}
