/** What pictures follow beside their prompt: control pictures, by which a ControlNet leads outlines, depth, poses or surroundings. */
@NullMarked
package io.github.zimage.control;

import org.jspecify.annotations.NullMarked;
