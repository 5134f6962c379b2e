/**
 * Matrices that files hold in fewer bits, decoded row by row while they are read: whatever an encoding is, it is a class that makes rows of
 * FP32. Pure Java.
 */
package io.github.zimage.internal.quantized;
