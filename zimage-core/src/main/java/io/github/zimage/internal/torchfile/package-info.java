/** Files that PyTorch's {@code torch.save} wrote: a reader that knows tensors, and of pickles only what makes them. */
package io.github.zimage.internal.torchfile;
