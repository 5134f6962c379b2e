import org.jspecify.annotations.NullMarked;

/** A small model for first tries and for tests, and checkpoints with random weights. */
@NullMarked
module io.github.zimage.demo {
    requires transitive io.github.zimage.core;
    requires com.fasterxml.jackson.databind;
    requires static org.jspecify;

    exports io.github.zimage.demo;
}
