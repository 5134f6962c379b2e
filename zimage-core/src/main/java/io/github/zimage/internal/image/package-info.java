/** PNG files and the parameters that they carry. Not for use outside zimage. */
package io.github.zimage.internal.image;
