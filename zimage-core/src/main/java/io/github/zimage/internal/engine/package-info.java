/**
 * The model, loaded, on its devices: components and how they are made, the phases of a generation with their memory, and denoisers, which
 * compute block by block or replay what was recorded.
 */
package io.github.zimage.internal.engine;
