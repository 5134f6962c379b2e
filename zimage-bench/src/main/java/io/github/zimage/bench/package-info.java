/** Benchmarks of zimage, one class a question, and what makes a page of their results. */
@NullMarked
package io.github.zimage.bench;

import org.jspecify.annotations.NullMarked;
