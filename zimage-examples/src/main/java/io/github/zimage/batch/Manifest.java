package io.github.zimage.batch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.internal.io.AtomicFile;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What has been drawn: a JSON object a line, one for each key. A line that a killed process left unfinished is dropped when the manifest is
 * opened, as are rows whose picture is gone. One process at a time has a manifest open.
 */
final class Manifest implements AutoCloseable {
    private static final JsonMapper MAPPER = new JsonMapper();

    /** Half of a key, which is enough to tell keys apart. */
    private record Known(long high, long low) {
        static Known of(String key) {
            return new Known(Long.parseUnsignedLong(key, 0, 16, 16), Long.parseUnsignedLong(key, 16, 32, 16));
        }
    }

    private final FileChannel lockFile;
    private final FileChannel file;
    private final Set<Known> keys;

    private Manifest(FileChannel lockFile, FileChannel file, Set<Known> keys) {
        this.lockFile = lockFile;
        this.file = file;
        this.keys = keys;
    }

    /**
     * Opens a manifest, after a check of its rows.
     *
     * @param stays whether a row stays; others are dropped, so that they are drawn again
     * @throws IllegalStateException if another process has it open
     */
    static Manifest open(Path file, Predicate<JsonNode> stays) throws IOException {
        FileChannel lockFile = lock(file.resolveSibling("." + file.getFileName() + ".lock"));
        try {
            Set<Known> keys = checked(file, stays);
            FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.APPEND, StandardOpenOption.WRITE);
            return new Manifest(lockFile, channel, keys);
        } catch (IOException | RuntimeException e) {
            lockFile.close();
            throw e;
        }
    }

    private static FileChannel lock(Path file) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        @Nullable FileLock lock = null;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            // Held by this process, which is the same to the caller.
        }
        if (lock == null) {
            channel.close();
            throw new IllegalStateException("another batch writes to " + file.getParent()
                    + "; wait for it, or give each its own --shard or --out");
        }
        return channel;
    }

    /** Reads all rows, and writes the file anew without those that do not stay. */
    private static Set<Known> checked(Path file, Predicate<JsonNode> stays) throws IOException {
        Set<Known> keys = new HashSet<>();
        if (!Files.exists(file)) {
            return keys;
        }
        boolean dropped = false;
        try (BufferedReader lines = Files.newBufferedReader(file);
                AtomicFile kept = AtomicFile.create(file)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String key = key(line, stays);
                if (key == null || !keys.add(Known.of(key))) {
                    dropped = true;
                } else {
                    kept.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
                }
            }
            if (dropped || !endsWithNewline(file)) {
                kept.commit();
            }
        }
        return keys;
    }

    private static boolean endsWithNewline(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer last = ByteBuffer.allocate(1);
            return channel.size() == 0 || (channel.read(last, channel.size() - 1) == 1 && last.get(0) == '\n');
        }
    }

    private static @Nullable String key(String line, Predicate<JsonNode> stays) {
        try {
            JsonNode row = MAPPER.readTree(line);
            String key = row.path("key").asText();
            return key.matches("[0-9a-f]{64}") && stays.test(row) ? key : null;
        } catch (JsonProcessingException e) {
            return null;
        }
    }

    /** Returns whether there is a row of a key. */
    boolean has(String key) {
        return keys.contains(Known.of(key));
    }

    /** Adds a row, unless there is one of its key. */
    void add(String key, ObjectNode row) throws IOException {
        if (keys.add(Known.of(key))) {
            ByteBuffer line = ByteBuffer.wrap((row + "\n").getBytes(StandardCharsets.UTF_8));
            while (line.hasRemaining()) {
                file.write(line);
            }
        }
    }

    @Override
    public void close() throws IOException {
        try (lockFile;
                file) {
            file.force(true);
        }
    }
}
