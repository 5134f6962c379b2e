/**
 * What was measured on this machine, kept in small files. Pure Java.
 */
package io.github.zimage.internal.tuning;
