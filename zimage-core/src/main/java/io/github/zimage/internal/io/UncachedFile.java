package io.github.zimage.internal.io;

import com.sun.nio.file.ExtendedOpenOption;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** A file that is read past the system's page cache, so that what is in that stays. Thread-safe. */
public final class UncachedFile implements AutoCloseable {
    /** Whole blocks are read into this much memory, and copied from there. */
    private static final int BUFFER_BYTES = 4 << 20;

    private final FileChannel channel;
    private final int blockBytes;
    private final ThreadLocal<ByteBuffer> buffers;

    private UncachedFile(FileChannel channel, int blockBytes) {
        this.channel = channel;
        this.blockBytes = blockBytes;
        buffers = ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(BUFFER_BYTES + blockBytes)
                .alignedSlice(blockBytes)
                .limit(BUFFER_BYTES)
                .slice());
    }

    /** Opens a file, or returns null where its file system cannot do that. */
    public static @Nullable UncachedFile open(Path file) {
        try {
            long blockBytes = Files.getFileStore(file).getBlockSize();
            if (blockBytes <= 0 || BUFFER_BYTES % blockBytes != 0) {
                return null;
            }
            return new UncachedFile(
                    FileChannel.open(file, StandardOpenOption.READ, ExtendedOpenOption.DIRECT), (int) blockBytes);
        } catch (IOException | UnsupportedOperationException e) {
            return null;
        }
    }

    /**
     * Fills a buffer.
     *
     * @param offset where in the file to begin, at any byte
     */
    public void readFully(long offset, ByteBuffer bytes) throws IOException {
        ByteBuffer blocks = buffers.get();
        long position = offset;
        while (bytes.hasRemaining()) {
            int before = (int) (position % blockBytes);
            long wanted = ((long) before + bytes.remaining() + blockBytes - 1) / blockBytes * blockBytes;
            blocks.clear().limit((int) Math.min(wanted, BUFFER_BYTES));
            int count = channel.read(blocks, position - before) - before;
            if (count <= 0) {
                throw new EOFException("the file ends at byte " + channel.size());
            }
            count = Math.min(count, bytes.remaining());
            bytes.put(blocks.position(before).limit(before + count));
            position += count;
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
