/**
 * Adapters, LoRA and its kin: their files, whichever program wrote them, and what they add to a model's weights. Pure Java.
 *
 * <p>Everything that comes from a file is untrusted. Whatever a file holds, the only exception that leaves this package on reading it is
 * {@link io.github.zimage.ModelLoadException}.
 */
package io.github.zimage.internal.lora;
