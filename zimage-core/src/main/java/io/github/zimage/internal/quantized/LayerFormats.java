package io.github.zimage.internal.quantized;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What ComfyUI writes of the format of each layer's weight: a JSON text as a tensor beside it, or one for all layers in the file's metadata. */
final class LayerFormats implements AutoCloseable {
    private static final String METADATA = "_quantization_metadata";
    private static final long MOST_BYTES = 65_536;
    private static final int DEFAULT_GROUP = 256;
    private static final Set<String> KNOWN =
            Set.of("format", "convrot", "convrot_groupsize", "params", "full_precision_matrix_mult");

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(
                            StreamReadConstraints.builder().maxNestingDepth(32).build())
                    .build())
            .build();

    private final String file;
    private final TensorFiles files = new TensorFiles();
    private final Map<String, Format> ofAll = new HashMap<>();

    /**
     * How a layer's weight is stored.
     *
     * @param name ComfyUI's name of the format
     * @param rotated how many neighbours of a row are rotated into each other; 1 if none are
     */
    record Format(String name, int rotated) {}

    /**
     * Reads what the metadata say.
     *
     * @throws ModelLoadException if it is damaged
     */
    LayerFormats(String file, Map<String, String> metadata) {
        this.file = file;
        String text = metadata.get(METADATA);
        if (text != null) {
            JsonNode layers = parse(METADATA, text).path("layers");
            layers.fieldNames().forEachRemaining(layer -> ofAll.put(layer, format(layer, layers.path(layer))));
        }
    }

    /** Returns what the metadata say of a layer, or null. */
    @Nullable
    Format of(String layer) {
        return ofAll.get(layer);
    }

    /** Returns what a tensor says that holds a JSON text. */
    Format of(TensorEntry text) {
        if (text.byteSize() > MOST_BYTES) {
            throw wrong(text.name(), "must have at most " + MOST_BYTES + " bytes, but has " + text.byteSize());
        }
        ByteBuffer bytes = ByteBuffer.allocate((int) text.byteSize());
        try {
            files.read(text, 0, bytes);
        } catch (IOException e) {
            throw new ModelLoadException(file + ": cannot be read: " + e.getMessage(), e);
        }
        return format(text.name(), parse(text.name(), new String(bytes.array(), StandardCharsets.UTF_8)));
    }

    private JsonNode parse(String name, String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new ModelLoadException(
                    file + ": " + ModelFile.quote(name) + " is not sound JSON: " + ModelFile.reason(e), e);
        }
    }

    private Format format(String name, JsonNode node) {
        JsonNode format = node.path("format");
        if (!format.isTextual()) {
            throw wrong(name, "must be a JSON object with the name of a format");
        }
        node.fieldNames().forEachRemaining(key -> {
            if (!KNOWN.contains(key) && key.matches(".*(scale|rot|zero|group|block|codebook).*")) {
                throw wrong(name, "has " + ModelFile.quote(key) + ", which is not understood");
            }
        });
        JsonNode params = node.path("params");
        boolean rotated = node.path("convrot").asBoolean(params.path("convrot").asBoolean(false));
        int group = node.path("convrot_groupsize")
                .asInt(params.path("convrot_groupsize").asInt(DEFAULT_GROUP));
        if (rotated && !BaseFourRotation.suits(group)) {
            throw wrong(name, "must have a power of 4 as convrot_groupsize, but has " + group);
        }
        return new Format(format.textValue(), rotated ? group : 1);
    }

    private ModelLoadException wrong(String name, String problem) {
        return new ModelLoadException(file + ": " + ModelFile.quote(name) + " " + problem);
    }

    @Override
    public void close() {
        files.close();
    }
}
