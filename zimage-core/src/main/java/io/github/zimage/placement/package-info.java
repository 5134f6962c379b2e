/** Where components are and compute, when they move, and the memory that takes. */
@NullMarked
package io.github.zimage.placement;

import org.jspecify.annotations.NullMarked;
