/**
 * Checkpoint folders as they lie on disk: configurations, safetensors headers, shards and names. Pure Java: no weight is
 * read and no native library is touched here.
 *
 * <p>Everything that comes from a file is untrusted. Whatever a file holds, the only exception that leaves this package on
 * reading it is {@link io.github.zimage.ModelLoadException}, soon and with a message of one line.
 */
package io.github.zimage.internal.weights;
