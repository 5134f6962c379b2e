/** {@code zimage serve}: a queue before a pipeline, a watchdog over it, and HTTP in front. */
@NullMarked
package io.github.zimage.serve;

import org.jspecify.annotations.NullMarked;
