package io.github.zimage.internal.quantized;

/** Makes numbers of a row's bytes. Thread-safe. */
interface RowDecoder {
    /**
     * Decodes a row.
     *
     * @param stored bytes of rows
     * @param at where those of this row begin
     * @param row the row's number in the matrix
     * @param values gets the numbers
     * @param to where to put the first
     */
    void decode(byte[] stored, int at, long row, float[] values, int to);
}
