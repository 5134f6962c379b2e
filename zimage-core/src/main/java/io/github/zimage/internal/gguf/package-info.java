/**
 * The GGUF file format, read with distrust. Pure Java.
 */
package io.github.zimage.internal.gguf;
