/**
 * Weights converted to the layout that the engine wants, kept on the disk. Pure Java.
 */
package io.github.zimage.internal.conversion;
