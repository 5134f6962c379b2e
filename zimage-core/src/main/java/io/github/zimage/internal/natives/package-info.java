/** Native libraries and other files out of jars: into which folder, whom to trust there, and how several processes do it at once. */
package io.github.zimage.internal.natives;
