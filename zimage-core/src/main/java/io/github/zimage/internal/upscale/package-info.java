/** Enlarging pictures with networks of the kind of ESRGAN: their files, the network, and the tiles that pictures go through it in. */
package io.github.zimage.internal.upscale;
