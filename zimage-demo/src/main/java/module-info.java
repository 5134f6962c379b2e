import org.jspecify.annotations.NullMarked;

/** A small model for first tries and for tests. */
@NullMarked
module io.github.zimage.demo {
    requires static org.jspecify;

    exports io.github.zimage.demo;
}
