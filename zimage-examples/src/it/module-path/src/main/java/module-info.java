module consumer {
    requires io.github.zimage.core;
}
