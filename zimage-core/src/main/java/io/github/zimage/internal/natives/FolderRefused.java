package io.github.zimage.internal.natives;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.jspecify.annotations.Nullable;

/** Why a folder is not used. The message ends the sentence "FOLDER: …". */
final class FolderRefused extends Exception {
    private static final long serialVersionUID = 1L;

    FolderRefused(String reason) {
        super(reason);
    }

    FolderRefused(IOException cause) {
        super(reason(cause), cause);
    }

    private static String reason(IOException cause) {
        if (cause instanceof AccessDeniedException denied) {
            return "no permission to write to " + denied.getFile();
        }
        if (cause instanceof NoSuchFileException missing) {
            return missing.getFile() + " does not exist";
        }
        String reason = cause instanceof FileSystemException inFile ? inFile.getReason() : null;
        return orElse(reason, orElse(cause.getMessage(), cause.getClass().getSimpleName()));
    }

    private static String orElse(@Nullable String text, String other) {
        return text == null || text.isBlank() ? other : text;
    }
}
