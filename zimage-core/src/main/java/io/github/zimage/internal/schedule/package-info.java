/** The noise levels that pictures pass through, and the samplers that take the steps between them. */
package io.github.zimage.internal.schedule;
