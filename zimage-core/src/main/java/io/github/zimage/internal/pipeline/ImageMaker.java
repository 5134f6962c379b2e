package io.github.zimage.internal.pipeline;

import io.github.zimage.GeneratedImage;
import io.github.zimage.ImageParameters;
import io.github.zimage.internal.generation.DrawnImage;

/** Makes the pictures that users get of those that come from the engine. */
@FunctionalInterface
public interface ImageMaker {
    /** Returns a picture with what it was made from. */
    GeneratedImage make(DrawnImage drawn, ImageParameters parameters);
}
