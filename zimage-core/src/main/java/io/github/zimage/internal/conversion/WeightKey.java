package io.github.zimage.internal.conversion;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.io.Sha256;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/**
 * Sums up what weights are converted from: sizes, times and tables of contents of their files, and a page of each tensor. A start
 * must not read all weights, and neither of these alone would notice every change: a fine-tuned checkpoint has the sizes of the
 * original, and an archive restores times.
 */
final class WeightKey {
    private static final int SAMPLE_BYTES = 4096;

    private WeightKey() {}

    /** Returns 64 hexadecimal digits. */
    static String of(Component component, WeightIndex weights, Precision precision) throws IOException {
        MessageDigest digest = Sha256.digest();
        put(digest, "layout " + EngineLayout.VERSION, component.id().toUpperCase(Locale.ROOT), precision.name());
        List<Path> paths = weights.files();
        for (Path file : paths) {
            put(digest, Files.size(file), Files.getLastModifiedTime(file).toMillis());
        }
        try (TensorFiles files = new TensorFiles()) {
            for (TensorEntry tensor : weights.tensors().values()) {
                Path own = tensor.file();
                put(digest, tensor.name(), tensor.type(), tensor.shape());
                put(digest, own == null ? made(tensor, paths) : paths.indexOf(own));
                put(digest, tensor.offset(), tensor.byteSize());
                digest.update(sample(tensor, files));
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** What is made while it is read depends on how, and of which files. */
    private static String made(TensorEntry tensor, List<Path> paths) {
        return tensor.data().key()
                + tensor.data().files().stream().map(paths::indexOf).toList();
    }

    private static ByteBuffer sample(TensorEntry tensor, TensorFiles files) throws IOException {
        ByteBuffer sample = ByteBuffer.allocate((int) Math.min(SAMPLE_BYTES, tensor.byteSize()));
        long within = Math.floorMod(
                tensor.name().hashCode() * 0x9e3779b97f4a7c15L, tensor.byteSize() - sample.capacity() + 1);
        files.read(tensor, within, sample);
        return sample.flip();
    }

    private static void put(MessageDigest digest, Object... values) {
        for (Object value : values) {
            digest.update(String.valueOf(value).getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0);
        }
    }
}
