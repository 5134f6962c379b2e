/**
 * Text to image with Z-Image in the JVM.
 *
 * <p>Start with {@link io.github.zimage.ZImagePipeline}. In shapes, B stands for batch, S for sequence length, H for heads,
 * D for the size of a head, C for channels, h and w for height and width of the latents.
 */
package io.github.zimage;
