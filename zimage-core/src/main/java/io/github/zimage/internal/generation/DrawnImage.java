package io.github.zimage.internal.generation;

import io.github.zimage.GeneratedImage;
import io.github.zimage.Latents;

/**
 * A picture as it comes from the engine.
 *
 * @param width width in pixels
 * @param height height in pixels
 * @param rgb red, green and blue of each pixel, row by row
 * @param latents what it was decoded from
 * @param timings where the time went
 */
@SuppressWarnings("ArrayRecordComponent") // carries arrays from one place to the next; never compared
public record DrawnImage(int width, int height, byte[] rgb, Latents latents, GeneratedImage.Timings timings) {}
