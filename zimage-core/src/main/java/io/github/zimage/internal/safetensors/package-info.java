/**
 * The file format of safetensors: read with distrust, written whole or not at all. Pure Java.
 */
package io.github.zimage.internal.safetensors;
