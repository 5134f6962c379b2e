/** The noise levels that a generation passes through. */
package io.github.zimage.internal.schedule;
