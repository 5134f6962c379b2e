package io.github.zimage.internal.singlefile;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.LinkedHashMap;
import java.util.Map;

/** Tensors that get their names one by one, each name once. */
final class RenamedTensors {
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();

    /**
     * Adds a tensor under its name.
     *
     * @throws ModelLoadException if there is one of that name
     */
    void put(TensorEntry tensor) {
        if (tensors.put(tensor.name(), tensor) != null) {
            throw new ModelLoadException(
                    "tensor " + ModelFile.quote(tensor.name()) + " is there twice, under an old and a new name");
        }
    }

    Map<String, TensorEntry> tensors() {
        return tensors;
    }
}
