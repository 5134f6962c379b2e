/** The {@code zimage} command. */
@NullMarked
package io.github.zimage.examples;

import org.jspecify.annotations.NullMarked;
