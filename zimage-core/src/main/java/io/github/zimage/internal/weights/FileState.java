package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What files were like when their headers were read, for those that are opened again later. */
public final class FileState {
    private final Map<Path, State> states = new LinkedHashMap<>();

    private final String since;
    private final String remedy;

    private record State(
            long size, FileTime modified, @Nullable Object identity) {
        static State of(Path file) {
            ModelFile.size(file);
            try {
                BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
                return new State(attributes.size(), attributes.lastModifiedTime(), attributes.fileKey());
            } catch (IOException e) {
                throw ModelFile.unreadable(file, e);
            }
        }

        boolean isAs(State other) {
            return size == other.size && modified.equals(other.modified);
        }
    }

    /**
     * Remembers the files of an index.
     *
     * @throws ModelLoadException if one is missing
     */
    public FileState(WeightIndex index) {
        this(index, "the pipeline was built", "build the pipeline anew");
    }

    private FileState(WeightIndex index, String since, String remedy) {
        this.since = since;
        this.remedy = remedy;
        index.files().forEach(file -> states.put(file, State.of(file)));
    }

    /**
     * Remembers the files of a model that is open and will be loaded later.
     *
     * @throws ModelLoadException if one is missing
     */
    public static FileState ofOpened(WeightIndex index) {
        return new FileState(index, "the model was opened", "open the model anew");
    }

    /**
     * Makes sure that the files are what they were.
     *
     * @throws ModelLoadException if one is missing or has changed
     */
    public void requireUnchanged() {
        states.forEach((file, then) -> {
            State now = State.of(file);
            if (!now.isAs(then)) {
                throw changed(file, then, now);
            }
        });
    }

    /**
     * Makes sure that nobody writes to the files, or has cut them, for whoever still reads those that were opened then. One that was
     * removed or replaced by another does no harm to them.
     *
     * @throws ModelLoadException if one has changed
     */
    public void requireUntouched() {
        states.forEach((file, then) -> {
            if (Files.exists(file)) {
                State now = State.of(file);
                if (Objects.equals(now.identity(), then.identity()) && !now.isAs(then)) {
                    throw changed(file, then, now);
                }
            }
        });
    }

    private ModelLoadException changed(Path file, State then, State now) {
        return new ModelLoadException(
                "%s: the file must stay as it was when %s, %d bytes of %s, but has %d bytes of %s: %s"
                        .formatted(
                                ModelFile.name(file),
                                since,
                                then.size(),
                                then.modified(),
                                now.size(),
                                now.modified(),
                                remedy));
    }
}
