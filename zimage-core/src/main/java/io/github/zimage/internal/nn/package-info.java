/** Layers and operations that the text encoder, the transformer and the VAE share. */
package io.github.zimage.internal.nn;
