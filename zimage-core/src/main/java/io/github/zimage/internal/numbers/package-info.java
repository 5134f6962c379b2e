/**
 * The formats that numbers of weights are stored in, and the arithmetic between them, row by row. Pure Java.
 */
package io.github.zimage.internal.numbers;
