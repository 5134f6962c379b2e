package io.github.zimage.internal.weights;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.ConfigFile;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.io.ModelFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The folder layout of diffusers: where each part of a checkpoint lies in it. */
public final class CheckpointFolder {
    /** The file that makes a folder a checkpoint. */
    public static final String INDEX = "model_index.json";

    private static final Map<Component, String> STEMS = Map.of(
            Component.TEXT_ENCODER, "model",
            Component.TRANSFORMER, "diffusion_pytorch_model",
            Component.VAE, "diffusion_pytorch_model");

    private CheckpointFolder() {}

    /**
     * Reads the parts of a checkpoint.
     *
     * @param folder the folder that holds {@code model_index.json}, absolute
     * @param variant the variant of the weights' files, or null
     * @throws ModelLoadException if anything is missing, damaged or not supported
     */
    static CheckpointParts read(Path folder, @Nullable String variant) {
        Map<Component, String> classNames = readClassNames(folder.resolve(INDEX));
        TransformerConfig transformer = TransformerConfig.read(folder.resolve("transformer/config.json"));
        TextEncoderConfig textEncoder = TextEncoderConfig.read(folder.resolve("text_encoder/config.json"));
        VaeConfig vae = VaeConfig.read(folder.resolve("vae/config.json"));
        SchedulerConfig scheduler = SchedulerConfig.read(folder.resolve("scheduler/scheduler_config.json"));
        CheckpointParts.requireMatch(
                transformer, textEncoder, vae, ModelFile.name(folder.resolve("transformer/config.json")));
        Path tokenizer = folder.resolve("tokenizer/tokenizer.json");
        CheckpointParts.requireTokenizer(tokenizer);
        requireVariant(folder, variant);
        Map<Component, WeightIndex> files = new HashMap<>();
        for (Component component : Component.values()) {
            files.put(component, weights(folder.resolve(component.folder()), component, variant));
        }
        return new CheckpointParts(
                folder,
                name(folder),
                classNames,
                transformer,
                textEncoder,
                vae,
                scheduler,
                tokenizer,
                files,
                List.of());
    }

    /**
     * Finds the weights of a component in its folder.
     *
     * @throws ModelLoadException if there are none, or any of them is damaged
     */
    public static WeightIndex weights(Path folder, Component component, @Nullable String variant) {
        return WeightFiles.open(folder, STEMS.getOrDefault(component, "model"), variant);
    }

    private static Map<Component, String> readClassNames(Path json) {
        ConfigFile file = ConfigFile.read(json);
        file.onlyText("_class_name", "ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline");
        Map<Component, String> names = new HashMap<>();
        names.put(Component.TEXT_ENCODER, componentClass(file, "text_encoder", "Qwen3Model", "Qwen3ForCausalLM"));
        names.put(Component.TRANSFORMER, componentClass(file, "transformer", "ZImageTransformer2DModel"));
        names.put(Component.VAE, componentClass(file, "vae", "AutoencoderKL"));
        componentClass(file, "scheduler", "FlowMatchEulerDiscreteScheduler");
        return names;
    }

    private static String componentClass(ConfigFile file, String component, String... supported) {
        if (!file.has(component)) {
            throw file.wrong(component, "must be a library and a class, one of " + String.join(", ", supported));
        }
        List<String> libraryAndClass = file.texts(component, List.of());
        if (libraryAndClass.size() != 2 || !List.of(supported).contains(libraryAndClass.get(1))) {
            throw file.wrong(component, "must be a library and " + String.join(" or ", supported));
        }
        return libraryAndClass.get(1);
    }

    private static void requireVariant(Path folder, @Nullable String variant) {
        if (variant != null
                && STEMS.entrySet().stream()
                        .noneMatch(component -> WeightFiles.hasVariant(
                                folder.resolve(component.getKey().folder()), component.getValue(), variant))) {
            throw new ModelLoadException(ModelFile.printable(folder.toString())
                    + ": no component has weights of variant " + ModelFile.quote(variant));
        }
    }

    /** Returns a name to show: that of the folder, or of the model if the folder lies in a Hugging Face cache. */
    private static String name(Path folder) {
        int names = folder.getNameCount();
        if (names >= 3 && folder.getName(names - 2).toString().equals("snapshots")) {
            String[] parts = folder.getName(names - 3).toString().split("--", -1);
            if (parts.length > 1 && parts[0].equals("models")) {
                return ModelFile.printable(parts[parts.length - 1]);
            }
        }
        return ModelFile.printable(String.valueOf(folder.getFileName()));
    }

    /** Returns whether a folder is a checkpoint. */
    public static boolean is(Path folder) {
        return Files.exists(folder.resolve(INDEX));
    }
}
