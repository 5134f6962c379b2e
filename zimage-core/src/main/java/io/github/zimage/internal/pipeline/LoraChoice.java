package io.github.zimage.internal.pipeline;

import io.github.zimage.Lora;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The LoRAs that a builder was given. */
public final class LoraChoice {
    private final List<Lora> always = new ArrayList<>();
    private @Nullable Path folder;

    /** Adds one for requests that name none. */
    public void add(Lora lora) {
        always.add(lora);
    }

    /** Sets where they are looked for by their names. */
    public void setFolder(Path newFolder) {
        folder = newFolder;
    }

    /** Returns the same as it is now. */
    public LoraChoice copy() {
        LoraChoice copy = new LoraChoice();
        copy.always.addAll(always);
        copy.folder = folder;
        return copy;
    }

    List<Lora> always() {
        return List.copyOf(always);
    }

    @Nullable
    Path folder() {
        return folder;
    }
}
