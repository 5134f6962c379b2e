/** Draws on NVIDIA cards. */
package io.github.zimage.cuda;
