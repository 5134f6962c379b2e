package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.Map;

/** What files were like when their headers were read, for those that are opened again later. */
public final class FileState {
    private final Map<Path, State> states = new LinkedHashMap<>();

    private record State(long size, FileTime modified) {
        static State of(Path file) {
            long size = ModelFile.size(file);
            try {
                return new State(size, Files.getLastModifiedTime(file));
            } catch (IOException e) {
                throw ModelFile.unreadable(file, e);
            }
        }
    }

    /**
     * Remembers the files of an index.
     *
     * @throws ModelLoadException if one is missing
     */
    public FileState(WeightIndex index) {
        index.files().forEach(file -> states.put(file, State.of(file)));
    }

    /**
     * Makes sure that the files are what they were.
     *
     * @throws ModelLoadException if one is missing or has changed
     */
    public void requireUnchanged() {
        states.forEach((file, then) -> {
            State now = State.of(file);
            if (!now.equals(then)) {
                throw new ModelLoadException(
                        "%s: the file must stay as it was when the pipeline was built, %d bytes of %s, but has %d bytes of %s: build the pipeline anew"
                                .formatted(
                                        ModelFile.name(file),
                                        then.size(),
                                        then.modified(),
                                        now.size(),
                                        now.modified()));
            }
        });
    }
}
