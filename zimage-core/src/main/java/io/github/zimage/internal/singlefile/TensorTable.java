package io.github.zimage.internal.singlefile;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.gguf.GgufFile;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * What the header of a file says, in whatever format it is.
 *
 * @param file the file
 * @param tensors its tensors under the names that they have there
 * @param metadata its texts and numbers, by name
 */
record TensorTable(Path file, Map<String, TensorEntry> tensors, Map<String, String> metadata) {
    private static final Pattern NAMED = Pattern.compile("(?i)\\.(safetensors|sft|gguf)$");

    /**
     * Reads the header of a file.
     *
     * @throws ModelLoadException if it is missing, damaged, or of another format
     */
    static TensorTable read(Path file) {
        if (GgufFile.isOne(file)) {
            GgufFile gguf = GgufFile.read(file);
            return new TensorTable(file, gguf.tensors(), gguf.metadata());
        }
        SafetensorsHeader header = SafetensorsHeader.read(file);
        return new TensorTable(file, header.tensors(), header.metadata());
    }

    /** Returns whether a file is named or begins as those are that can be read, sound or not. */
    static boolean isOne(Path file) {
        if (NAMED.matcher(String.valueOf(file.getFileName())).find()) {
            return true;
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] start = in.readNBytes(9);
            return start.length == 9
                    && (start[8] == '{' || new String(start, StandardCharsets.ISO_8859_1).startsWith("GGUF"));
        } catch (IOException e) {
            return false;
        }
    }
}
