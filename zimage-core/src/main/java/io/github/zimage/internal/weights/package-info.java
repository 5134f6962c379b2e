/**
 * Checkpoint folders: shards and names as they lie on disk, and the weights themselves. All but
 * {@link io.github.zimage.internal.weights.WeightStore} is pure Java and needs no native library.
 *
 * <p>Everything that comes from a file is untrusted. Whatever a file holds, the only exception that leaves this package, and
 * those for configurations and safetensors below it, on reading it is {@link io.github.zimage.ModelLoadException}, soon and
 * with a message of one line.
 */
package io.github.zimage.internal.weights;
