package io.github.zimage.internal.runtime;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.NativeLong;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks the system to read mapped files into its cache before they are used, in large pieces and in the order given. Without it, the
 * first use of each weight waits for the disk a few pages at a time. Only a hint: where it is not to be had, nothing happens.
 */
public final class ReadAhead implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ReadAhead.class);
    private static final int MADV_WILLNEED = 3;
    private static final long PIECE_BYTES = 16L << 20;

    private final Thread thread;
    private volatile boolean closed;

    private ReadAhead(Function madvise, List<Mapping> mappings) {
        thread = new Thread(() -> run(madvise, mappings), "zimage-read-ahead");
        thread.setDaemon(true);
        thread.start();
    }

    /** A mapped range of a file. */
    private record Mapping(long address, long bytes) {}

    /**
     * Starts reading ahead.
     *
     * @param files whole mapped files, which must stay mapped until this is closed
     * @return null if there is nothing to read, the system takes no such hints, or it has too little memory to keep the files
     */
    public static @Nullable ReadAhead start(List<Tensor> files) {
        List<Mapping> mappings = files.stream()
                .map(file -> new Mapping(file.data_ptr().address(), file.numel()))
                .toList();
        long total = mappings.stream().mapToLong(Mapping::bytes).sum();
        if (total == 0 || total > org.bytedeco.javacpp.Pointer.availablePhysicalBytes()) {
            return null;
        }
        Function madvise = madvise();
        return madvise == null ? null : new ReadAhead(madvise, mappings);
    }

    private static @Nullable Function madvise() {
        if (!Platform.isLinux() && !Platform.isMac()) {
            return null;
        }
        try {
            return NativeLibrary.getInstance("c").getFunction("madvise");
        } catch (LinkageError e) {
            LOG.debug("files are not read ahead: madvise cannot be called", e);
            return null;
        }
    }

    private void run(Function madvise, List<Mapping> mappings) {
        for (Mapping mapping : mappings) {
            for (long offset = 0; offset < mapping.bytes && !closed; offset += PIECE_BYTES) {
                long length = Math.min(PIECE_BYTES, mapping.bytes - offset);
                Object[] arguments = {new Pointer(mapping.address + offset), new NativeLong(length), MADV_WILLNEED};
                if (madvise.invokeInt(arguments) != 0) {
                    LOG.debug("files are not read ahead: madvise refused");
                    return;
                }
            }
        }
    }

    /** Stops reading, and waits until it has stopped. */
    @Override
    public void close() {
        closed = true;
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
