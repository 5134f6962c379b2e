/** One generation, step by step. */
package io.github.zimage.internal.pipeline;
