package io.github.zimage.serve;

/**
 * A picture as it is handed out.
 *
 * @param png the file, with the parameters in it
 * @param width in pixels
 * @param height in pixels
 * @param seed what draws it again
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record EncodedImage(byte[] png, int width, int height, long seed) {}
