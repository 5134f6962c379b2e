/**
 * Which weights lie where, and how they travel. What plans is plain Java without a native call, so that it can be tested on any
 * machine for any other.
 */
package io.github.zimage.internal.placement;
