package io.github.zimage.internal.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Objects;

/** What is in a file that is here. */
final class FileContent {
    private static final int BUFFER_BYTES = 1 << 20;

    private FileContent() {}

    /** Returns whether a file has the digest that the hub names. */
    static boolean matches(Path path, HubFile file) throws IOException {
        FileDigest wanted = Objects.requireNonNull(file.digest());
        MessageDigest digest = wanted.begin(file.bytes());
        add(path, digest);
        return wanted.matches(digest);
    }

    /** Adds all bytes of a file to a digest. Returns how many there were. */
    static long add(Path path, MessageDigest digest) throws IOException {
        byte[] buffer = new byte[BUFFER_BYTES];
        long bytes = 0;
        try (InputStream in = Files.newInputStream(path)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
                bytes += count;
            }
        }
        return bytes;
    }
}
