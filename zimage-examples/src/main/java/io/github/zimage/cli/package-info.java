/** The {@code zimage} command. */
@NullMarked
package io.github.zimage.cli;

import org.jspecify.annotations.NullMarked;
