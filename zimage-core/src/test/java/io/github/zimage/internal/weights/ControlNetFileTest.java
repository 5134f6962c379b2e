package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.config.ControlNetConfig.Variant;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that ControlNets are recognised by their tensors, and that one that does not fit is refused with what does not. */
final class ControlNetFileTest {
    private static final TransformerConfig TINY = base(48, 6, 2, 2);
    private static final TransformerConfig PUBLISHED = base(3840, 30, 2, 30);

    @TempDir
    Path folder;

    private static TransformerConfig base(int dim, int layers, int refiners, int heads) {
        int head = dim / heads;
        return new TransformerConfig(
                dim,
                layers,
                refiners,
                heads,
                1e-5,
                true,
                32,
                16,
                256,
                1000,
                List.of(head / 4 * 2, head / 4, head / 4),
                List.of(1536, 512, 512));
    }

    private static Path resource(String name) {
        try {
            return Path.of(Objects.requireNonNull(ControlNetFileTest.class.getResource("/control-parity/" + name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "union-1.0.safetensors, UNION_1_0, 16, '0,2,4', 2, 0",
        "union-2.0.safetensors, UNION_2_0, 33, '0,2,4', 0, 2",
        "union-2.1.safetensors, UNION_2_1, 33, '0,2,4', 2, 2",
        "union-2.1-folder, UNION_2_1, 33, '0,2,4', 2, 2",
        "lite-2.1.safetensors, LITE_2_1, 33, '0,3', 2, 2"
    })
    void variants_areRecognisedByTheirTensors(
            String name, Variant variant, int channels, String places, int refiners, int hints) {
        ControlNetConfig config = ControlNetFile.open(resource(name)).config(TINY);
        assertThat(config.variant()).isEqualTo(variant);
        assertThat(config.inChannels()).isEqualTo(channels);
        assertThat(config.places())
                .isEqualTo(List.of(places.split(",", -1)).stream()
                        .map(Integer::valueOf)
                        .toList());
        assertThat(List.of(config.refiners(), config.refinerHints())).containsExactly(refiners, hints);
    }

    // The published shapes: parameters as counted, of weights that are used. 1.0 has zeros for hints that its refiner
    // does not give.
    @ParameterizedTest
    @CsvSource({
        "6, 2, 16, false, UNION_1_0, 1550778368",
        "15, 2, 33, false, UNION_2_0, 2950156800",
        "15, 2, 33, true, UNION_2_1, 3356225792",
        "3, 2, 33, true, LITE_2_1, 1008308480"
    })
    void publishedShapes_haveTheirParameters(
            int layers, int refiners, int channels, boolean joined, Variant variant, long parameters) {
        ControlNetConfig config = ControlNetConfig.of(
                new ControlNetConfig.Facts("file", 3840, channels, layers, refiners, joined, null), PUBLISHED);
        assertThat(config.variant()).isEqualTo(variant);
        long counted = config.tensors().values().stream()
                .mapToLong(shape -> shape.stream().reduce(1L, Math::multiplyExact))
                .sum();
        long zeros = variant == Variant.UNION_1_0 ? 2 * (3840L * 3840 + 3840) : 0;
        assertThat(counted - zeros).isEqualTo(parameters);
    }

    @Test
    void anotherModelsControlNet_isRefused() {
        ControlNetFile file = ControlNetFile.open(resource("union-2.1.safetensors"));
        requireRefusal(
                () -> file.config(PUBLISHED),
                "is for a transformer of 48 features a token, but this one has 3840: choose one that was made for this model");
        requireRefusal(
                () -> file.config(base(48, 7, 2, 2)),
                "of no variant that is known",
                "the model's 7 blocks, but this has 3");
        requireRefusal(
                () -> file.config(base(48, 6, 1, 2)),
                "must have 2 blocks of the noise refiner to hint at, but the model has 1 and the file 2");
    }

    @Test
    void damagedFiles_areRefused_namingWhatDoesNotFit() throws IOException {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        ControlNetFile.open(resource("union-2.1.safetensors"))
                .index()
                .tensors()
                .forEach((name, entry) -> shapes.put(name, entry.shape()));
        requireRefusal(
                () -> opened(changed(shapes, "control_layers.1.attention.to_q.weight", null)),
                "the weights do not fit a ControlNet Union 2.0 for this model: control_layers.1.attention.to_q.weight is missing");
        requireRefusal(
                () -> opened(changed(shapes, "control_layers.2.after_proj.weight", List.of(48L, 47L))),
                "control_layers.2.after_proj.weight must have shape [48, 48], but has [48, 47]");
        requireRefusal(
                () -> opened(changed(shapes, "control_all_x_embedder.2-1.weight", List.of(48L, 80L))),
                "must take 16 channels (Union 1.0) or 33 (2.0 and later), but this takes 20");
        requireRefusal(
                () -> opened(changed(shapes, "control_all_x_embedder.2-1.weight", null)),
                "no ControlNet of Z-Image: it must have the tensor control_all_x_embedder.2-1.weight");
        Map<String, List<Long>> gap = new LinkedHashMap<>();
        shapes.forEach((name, shape) -> gap.put(name.replace("control_layers.1.", "control_layers.7."), shape));
        requireRefusal(() -> opened(gap), "there is no block 1 before block 2");
        Path text = folder.resolve("text.safetensors");
        Files.writeString(text, "no tensors");
        requireRefusal(() -> ControlNetFile.open(text), "text.safetensors");
        requireRefusal(() -> ControlNetFile.open(folder.resolve("none.safetensors")), "none.safetensors");
    }

    // What a configuration says beside the tensors must not contradict them.
    @Test
    void configurations_areComparedWithTheTensors() throws IOException {
        Path copy = folder.resolve("copy");
        Files.createDirectories(copy);
        for (String name : List.of("diffusion_pytorch_model.safetensors", "config.json")) {
            Files.copy(resource("union-2.1-folder").resolve(name), copy.resolve(name));
        }
        String json = Files.readString(copy.resolve("config.json"));
        for (Map.Entry<String, String> wrong : Map.of(
                        "\"control_in_dim\": 33", "\"control_in_dim\": 16",
                        "\"control_noise_refiner\"", "\"control_layers\"",
                        "ZImageControlNetModel", "FluxControlNetModel")
                .entrySet()) {
            assertThat(json).contains(wrong.getKey());
            Files.writeString(copy.resolve("config.json"), json.replace(wrong.getKey(), wrong.getValue()));
            requireRefusal(() -> ControlNetFile.open(copy).config(TINY), "config.json");
        }
        String places =
                json.replaceAll("(?s)\"control_layers_places\": \\[.*?]", "\"control_layers_places\": [0, 1, 5]");
        Files.writeString(copy.resolve("config.json"), places);
        assertThat(ControlNetFile.open(copy).config(TINY).places()).containsExactly(0, 1, 5);
        Files.writeString(copy.resolve("config.json"), places.replace("[0, 1, 5]", "[0, 5, 1]"));
        requireRefusal(
                () -> ControlNetFile.open(copy).config(TINY), "must rise from 0, one for each of 3 control layers");
    }

    private static Map<String, List<Long>> changed(
            Map<String, List<Long>> shapes, String name, @Nullable List<Long> shape) {
        Map<String, List<Long>> changed = new LinkedHashMap<>(shapes);
        assertThat(changed).containsKey(name);
        if (shape == null) {
            changed.remove(name);
        } else {
            changed.put(name, shape);
        }
        return changed;
    }

    /** Writes tensors of zeros, and matches them with the tiny model. */
    private WeightIndex opened(Map<String, List<Long>> shapes) {
        Path file = folder.resolve("changed.safetensors");
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
        shapes.forEach((name, shape) -> tensors.add(new SafetensorsWriter.Tensor(name, StorageType.BF16, shape)));
        try {
            Files.deleteIfExists(file);
            try (SafetensorsWriter writer = new SafetensorsWriter(file, tensors, Map.of())) {
                for (SafetensorsWriter.Tensor each : tensors) {
                    writer.write(ByteBuffer.allocate(Math.toIntExact(each.byteSize())));
                }
                writer.commit();
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        ControlNetFile opened = ControlNetFile.open(file);
        return opened.weights(opened.config(TINY));
    }

    private static void requireRefusal(ThrowingCallable task, String... parts) {
        assertThatThrownBy(task).isInstanceOf(ModelLoadException.class).hasMessageContainingAll(parts);
    }
}
