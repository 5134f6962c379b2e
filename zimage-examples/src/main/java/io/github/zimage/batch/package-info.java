/** Tables of requests in, pictures under names that follow from their requests and a manifest out. */
@NullMarked
package io.github.zimage.batch;

import org.jspecify.annotations.NullMarked;
