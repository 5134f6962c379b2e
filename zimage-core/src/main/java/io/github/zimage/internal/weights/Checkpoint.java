package io.github.zimage.internal.weights;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.ConfigFile;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.events.OpenEvent;
import io.github.zimage.internal.io.ModelFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint in the folder layout of diffusers: all its configurations, and where all its weights lie. Once one is open,
 * everything that can be known without reading weights has been checked. Immutable.
 */
public final class Checkpoint {
    /** Native code reads the file whole, and ends the JVM where memory does not suffice. */
    private static final long MAX_TOKENIZER_BYTES = 100_000_000;

    private static final Map<Component, String> STEMS = Map.of(
            Component.TEXT_ENCODER, "model",
            Component.TRANSFORMER, "diffusion_pytorch_model",
            Component.VAE, "diffusion_pytorch_model");

    /** Older names of the attention's projections. */
    private static final Map<String, String> OLD_PROJECTIONS =
            Map.of("query", "to_q", "key", "to_k", "value", "to_v", "proj_attn", "to_out.0");

    private static final Pattern MID_ATTENTION =
            Pattern.compile("((?:en|de)coder\\.mid_block\\.attentions\\.0\\.)(.+)(\\.[^.]*)", Pattern.DOTALL);

    private final Path folder;
    private final Map<Component, String> classNames;
    private final TransformerConfig transformer;
    private final TextEncoderConfig textEncoder;
    private final VaeConfig vae;
    private final SchedulerConfig scheduler;
    private final Map<Component, WeightIndex> files = new HashMap<>();
    private final Map<Component, WeightIndex> weights = new HashMap<>();
    /** Why pictures cannot be encoded, or null. */
    private final @Nullable String withoutEncoder;

    private Checkpoint(Path folder, @Nullable String variant) {
        this.folder = folder;
        this.classNames = readClassNames(folder.resolve("model_index.json"));
        Path transformerConfig = folder.resolve("transformer/config.json");
        Path vaeConfig = folder.resolve("vae/config.json");
        this.transformer = TransformerConfig.read(transformerConfig);
        this.textEncoder = TextEncoderConfig.read(folder.resolve("text_encoder/config.json"));
        this.vae = VaeConfig.read(vaeConfig);
        this.scheduler = SchedulerConfig.read(folder.resolve("scheduler/scheduler_config.json"));
        if (transformer.capFeatDim() != textEncoder.hiddenSize()) {
            throw new ModelLoadException(ModelFile.name(transformerConfig)
                    + ": cap_feat_dim must be the text encoder's hidden_size = " + textEncoder.hiddenSize()
                    + ", but was " + transformer.capFeatDim());
        }
        if (transformer.inChannels() != vae.latentChannels()) {
            throw new ModelLoadException(
                    ModelFile.name(transformerConfig) + ": in_channels must be the VAE's latent_channels = "
                            + vae.latentChannels() + ", but was " + transformer.inChannels());
        }
        requireTokenizer();
        requireVariant(variant);
        for (Component component : Component.values()) {
            openWeights(component, variant);
        }
        withoutEncoder = openEncoder();
    }

    private Checkpoint(Checkpoint other, Component component, WeightIndex index) {
        this.folder = other.folder;
        this.classNames = other.classNames;
        this.transformer = other.transformer;
        this.textEncoder = other.textEncoder;
        this.vae = other.vae;
        this.scheduler = other.scheduler;
        this.files.putAll(other.files);
        this.weights.putAll(other.weights);
        this.weights.put(component, index);
        this.withoutEncoder = other.withoutEncoder;
    }

    /**
     * Opens a checkpoint and checks it: classes, configurations, and that every weight is there in the right shape.
     *
     * @param folder the folder that holds {@code model_index.json}
     * @param variant the variant of the weights' files, such as {@code bf16}, or null; see {@link WeightFiles#open}
     * @throws ModelLoadException if anything is missing, damaged or not supported
     * @throws IllegalArgumentException if the variant cannot be part of a file's name
     */
    public static Checkpoint open(Path folder, @Nullable String variant) {
        Path absolute = folder.toAbsolutePath().normalize();
        if (!Files.exists(absolute.resolve("model_index.json"))) {
            throw NoCheckpoint.at(folder);
        }
        OpenEvent event = new OpenEvent();
        event.begin();
        event.part = "checkpoint";
        Checkpoint opened = new Checkpoint(absolute, variant);
        event.commit();
        return opened;
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

    private void requireTokenizer() {
        Path tokenizer = tokenizer();
        if (Files.exists(tokenizer)) {
            long size = ModelFile.size(tokenizer);
            if (size > MAX_TOKENIZER_BYTES) {
                throw new ModelLoadException(ModelFile.name(tokenizer) + ": a tokenizer must have at most "
                        + MAX_TOKENIZER_BYTES + " bytes, but this has " + size);
            }
        } else if (Files.isSymbolicLink(tokenizer)) {
            throw ModelFile.missing(tokenizer);
        } else if (Files.exists(tokenizer.resolveSibling("vocab.json"))) {
            throw new ModelLoadException(ModelFile.name(tokenizer)
                    + ": the file is missing and vocab.json is not enough: make it with AutoTokenizer.save_pretrained");
        } else {
            throw new ModelLoadException(ModelFile.name(tokenizer) + ": the file is missing");
        }
    }

    private void requireVariant(@Nullable String variant) {
        if (variant != null
                && STEMS.entrySet().stream()
                        .noneMatch(component -> WeightFiles.hasVariant(
                                folder.resolve(component.getKey().folder()), component.getValue(), variant))) {
            throw new ModelLoadException(ModelFile.printable(folder.toString())
                    + ": no component has weights of variant " + ModelFile.quote(variant));
        }
    }

    private void openWeights(Component component, @Nullable String variant) {
        String stem = STEMS.getOrDefault(component, "model");
        WeightIndex file = WeightFiles.open(folder.resolve(component.folder()), stem, variant);
        WeightIndex index;
        Map<String, List<Long>> expected;
        if (component.equals(Component.TEXT_ENCODER)) {
            index = file.renamed(name -> name.startsWith("model.") ? name.substring("model.".length()) : name);
            expected = textEncoder.tensors();
        } else if (component.equals(Component.TRANSFORMER)) {
            index = file;
            expected = transformer.tensors();
        } else {
            index = modernized(file);
            expected = vae.tensors();
        }
        index.check(expected);
        files.put(component, file);
        weights.put(component, index.selected(expected.keySet()));
    }

    /** Opens the half of the VAE that drawing from a prompt does without. Returns what is wrong with it, or null. */
    private @Nullable String openEncoder() {
        Map<String, List<Long>> expected = vae.encoderTensors();
        try {
            WeightIndex index = modernized(files(Component.VAE));
            index.check(expected);
            weights.put(Component.VAE_ENCODER, index.selected(expected.keySet()));
            return null;
        } catch (ModelLoadException e) {
            return e.getMessage();
        }
    }

    /** Returns an index of a VAE in which old names and shapes of the attention's weights are today's. */
    static WeightIndex modernized(WeightIndex index) {
        return index.renamed(name -> {
                    Matcher attention = MID_ATTENTION.matcher(name);
                    if (!attention.matches()) {
                        return name;
                    }
                    String projection = attention.group(2);
                    return attention.group(1)
                            + OLD_PROJECTIONS.getOrDefault(projection, projection)
                            + attention.group(3);
                })
                .reshaped((name, shape) -> MID_ATTENTION.matcher(name).matches()
                                && shape.size() == 4
                                && shape.subList(2, 4).equals(List.of(1L, 1L))
                        ? shape.subList(0, 2)
                        : shape);
    }

    /** Returns the folder, absolute. */
    public Path folder() {
        return folder;
    }

    /** Returns a name to show: that of the folder, or of the model if the folder lies in a Hugging Face cache. */
    public String name() {
        int names = folder.getNameCount();
        if (names >= 3 && folder.getName(names - 2).toString().equals("snapshots")) {
            String[] parts = folder.getName(names - 3).toString().split("--", -1);
            if (parts.length > 1 && parts[0].equals("models")) {
                return ModelFile.printable(parts[parts.length - 1]);
            }
        }
        return ModelFile.printable(String.valueOf(folder.getFileName()));
    }

    /** Returns the transformer's configuration. */
    public TransformerConfig transformer() {
        return transformer;
    }

    /** Returns the text encoder's configuration. */
    public TextEncoderConfig textEncoder() {
        return textEncoder;
    }

    /** Returns the VAE's configuration. */
    public VaeConfig vae() {
        return vae;
    }

    /** Returns the scheduler's configuration. */
    public SchedulerConfig scheduler() {
        return scheduler;
    }

    /**
     * Returns where the weights of a component lie that the engine uses: exactly those of its configuration's
     * {@code tensors()}, under the same names and in the same order.
     *
     * @throws ModelLoadException for the VAE's encoder, if the checkpoint has none that fits
     */
    public WeightIndex weights(Component component) {
        if (component.equals(Component.VAE_ENCODER) && withoutEncoder != null) {
            throw new ModelLoadException("pictures cannot be encoded: " + withoutEncoder);
        }
        return entry(weights, component);
    }

    /** Returns why pictures cannot be encoded with this checkpoint, or null if they can. */
    public @Nullable String withoutEncoder() {
        return withoutEncoder;
    }

    /** Returns the same checkpoint with weights of a component that lie elsewhere; {@link #files} stay what they are. */
    public Checkpoint withWeights(Component component, WeightIndex index) {
        return new Checkpoint(this, component, index);
    }

    /** Returns the same checkpoint for whoever shall read all weights into memory and map no file. */
    public Checkpoint read() {
        Checkpoint result = this;
        for (Map.Entry<Component, WeightIndex> each : weights.entrySet()) {
            result = result.withWeights(each.getKey(), each.getValue().read());
        }
        return result;
    }

    /** Returns where everything lies that the files of a component hold, under the files' names. */
    public WeightIndex files(Component component) {
        return entry(files, component);
    }

    /** Returns the class that a component has in Python. */
    public String className(Component component) {
        return entry(classNames, component);
    }

    /** Returns the tokenizer's file. */
    public Path tokenizer() {
        return folder.resolve("tokenizer/tokenizer.json");
    }

    private static <T> T entry(Map<Component, T> map, Component component) {
        T value = map.get(component);
        if (value == null) {
            throw new IllegalArgumentException("component must not be null");
        }
        return value;
    }
}
