package io.github.zimage.batch;

import io.github.zimage.internal.io.Sha256;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** What stands for a checkpoint in keys: names and sizes of its files, and a few pieces of each. The same wherever it lies and whenever it was copied. */
final class ModelDigest {
    private static final int PIECE = 1 << 16;
    private static final int PIECES = 16;

    private ModelDigest() {}

    static String of(Path model) throws IOException {
        MessageDigest digest = Sha256.digest();
        for (Path file : files(model)) {
            digest.update((model.relativize(file) + " " + Files.size(file) + "\n").getBytes(StandardCharsets.UTF_8));
            addPieces(file, digest);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static List<Path> files(Path model) throws IOException {
        try (Stream<Path> files = Files.walk(model)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> file.toString().matches(".*\\.(safetensors|gguf|json)"))
                    .sorted()
                    .toList();
        }
    }

    private static void addPieces(Path file, MessageDigest digest) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            for (int piece = 0; piece < PIECES; piece++) {
                ByteBuffer bytes = ByteBuffer.allocate(PIECE);
                long position = Math.max(0, size - PIECE) * piece / (PIECES - 1);
                while (bytes.hasRemaining() && channel.read(bytes, position + bytes.position()) > 0) {}
                digest.update(bytes.flip());
            }
        }
    }
}
