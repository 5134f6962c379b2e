package io.github.zimage.examples.serve;

/**
 * A picture as it is handed out.
 *
 * @param png the file, with the parameters in it
 * @param width in pixels
 * @param height in pixels
 * @param seed what draws it again
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Picture(byte[] png, int width, int height, long seed) {}
