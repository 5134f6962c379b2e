package io.github.zimage.batch;

import java.io.FilterInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file that knows how much of it has been read. */
final class CountedInput extends FilterInputStream {
    private final long size;
    private long read;

    CountedInput(Path file) throws IOException {
        super(Files.newInputStream(file));
        size = Files.size(file);
    }

    double progress() {
        return size == 0 ? 1 : Math.min(1, (double) read / size);
    }

    @Override
    public int read() throws IOException {
        int next = super.read();
        read += next < 0 ? 0 : 1;
        return next;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        int count = super.read(bytes, offset, length);
        read += Math.max(0, count);
        return count;
    }
}
