/** Upscalers: networks that enlarge pictures, with a pipeline or by themselves. */
package io.github.zimage.upscale;
