/**
 * The diffusion transformer of Z-Image, one class a module, named as in diffusers' {@code transformer_z_image.py} and as in the
 * checkpoint. It computes what that file does with the work that does not change between steps taken out of the loop.
 *
 * <p>In shapes, N stands for image tokens, T for caption tokens, S for both; the residual stream is FP32, linear layers compute in
 * the pipeline's precision.
 */
package io.github.zimage.internal.transformer;
