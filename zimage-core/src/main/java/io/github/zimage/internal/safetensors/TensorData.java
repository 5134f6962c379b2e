package io.github.zimage.internal.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Bytes that tensors lie in: those of a file as they are, or numbers that are made of files' bytes while they are read. What a
 * tensor is called and which part of the bytes it is, says a {@code TensorEntry}; so the rows of a fused matrix are several
 * entries of the same data. Immutable; thread-safe.
 */
public interface TensorData {
    /** Reads parts of files. Thread-safe. */
    interface FileReader {
        /**
         * Fills a buffer.
         *
         * @param offset where in the file to begin
         * @throws java.io.EOFException if the file ends before
         */
        void readFully(Path file, long offset, ByteBuffer bytes) throws IOException;
    }

    /** Returns the files that are read, each once. */
    List<Path> files();

    /** Returns the file whose bytes these are, at the same places, so that it can be mapped; null if they are made while they are read. */
    @Nullable
    Path mappable();

    /**
     * Fills a buffer, little endian. Whole rows of a tensor are asked for, but for rows of several MiB; anything else may take longer.
     *
     * @param files reads them
     * @param offset which byte to begin with
     */
    void read(FileReader files, long offset, ByteBuffer bytes) throws IOException;

    /** Returns what the bytes depend on beside the files, as a text that changes with it; empty for the bytes of a file. */
    String key();

    /** Returns what people call the format that files hold these numbers in, where that is another one than they are read in; else nothing. */
    default String encoding() {
        return "";
    }

    /** Returns how many bytes of files some of these bytes are made of, about. */
    default long storedBytes(long bytes) {
        return bytes;
    }

    /** Returns the bytes of a file. */
    static TensorData of(Path file) {
        return new FileData(file);
    }

    /**
     * The bytes of a file.
     *
     * @param file the file
     */
    record FileData(Path file) implements TensorData {
        @Override
        public List<Path> files() {
            return List.of(file);
        }

        @Override
        public Path mappable() {
            return file;
        }

        @Override
        public void read(FileReader files, long offset, ByteBuffer bytes) throws IOException {
            files.readFully(file, offset, bytes);
        }

        @Override
        public String key() {
            return "";
        }
    }
}
