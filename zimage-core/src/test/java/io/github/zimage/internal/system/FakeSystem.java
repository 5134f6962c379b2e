package io.github.zimage.internal.system;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A tree of files such as Linux shows them, for tests. */
final class FakeSystem {
    private final Path root;

    FakeSystem(Path root) {
        this.root = root;
    }

    SystemFiles files() {
        return new SystemFiles(root);
    }

    FakeSystem write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
        return this;
    }

    /** Writes a group of version 2; a limit, usage and cache. */
    FakeSystem group(String folder, String max, long current, long file) throws IOException {
        write(folder + "/memory.max", max + "\n");
        write(folder + "/memory.current", current + "\n");
        return write(folder + "/memory.stat", "anon 12\nfile %d\nshmem 0\n".formatted(file));
    }

    /** Writes a group of version 1. */
    FakeSystem groupOfVersion1(String folder, long limit, long usage, long cache) throws IOException {
        write(folder + "/memory.limit_in_bytes", limit + "\n");
        write(folder + "/memory.usage_in_bytes", usage + "\n");
        return write(folder + "/memory.stat", "cache 5\ntotal_cache %d\n".formatted(cache));
    }
}
