/**
 * Both halves of the variational autoencoder, named as in diffusers' {@code autoencoder_kl.py} and {@code vae.py}. Pictures are
 * [1, C, h, w] with the channels last in memory, which oneDNN wants.
 */
package io.github.zimage.internal.vae;
