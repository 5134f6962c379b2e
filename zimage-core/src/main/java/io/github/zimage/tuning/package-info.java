/** Finds the fastest settings for a model on a machine. */
@NullMarked
package io.github.zimage.tuning;

import org.jspecify.annotations.NullMarked;
