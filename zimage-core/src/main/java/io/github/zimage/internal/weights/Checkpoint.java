package io.github.zimage.internal.weights;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.events.OpenEvent;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint: all its configurations, and where all its weights lie. Once one is open, everything that can be known without reading
 * weights has been checked. Immutable.
 */
public final class Checkpoint {
    /** Older names of the attention's projections. */
    private static final Map<String, String> OLD_PROJECTIONS =
            Map.of("query", "to_q", "key", "to_k", "value", "to_v", "proj_attn", "to_out.0");

    private static final Pattern MID_ATTENTION =
            Pattern.compile("((?:en|de)coder\\.mid_block\\.attentions\\.0\\.)(.+)(\\.[^.]*)", Pattern.DOTALL);

    private final CheckpointParts parts;
    private final Map<Component, WeightIndex> weights = new HashMap<>();
    /** Why pictures cannot be encoded, or null. */
    private final @Nullable String withoutEncoder;

    private @Nullable ControlNetFile controlNet;

    private Checkpoint(CheckpointParts parts) {
        this.parts = parts;
        for (Component component : Component.values()) {
            openWeights(component);
        }
        withoutEncoder = openEncoder();
    }

    private Checkpoint(Checkpoint other, Component component, WeightIndex index) {
        this.parts = other.parts;
        this.weights.putAll(other.weights);
        this.weights.put(component, index);
        this.withoutEncoder = other.withoutEncoder;
        this.controlNet = other.controlNet;
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
        if (!CheckpointFolder.is(absolute)) {
            throw NoCheckpoint.at(folder);
        }
        OpenEvent event = new OpenEvent();
        event.begin();
        event.part = "checkpoint";
        Checkpoint opened = new Checkpoint(CheckpointFolder.read(absolute, variant));
        event.commit();
        return opened;
    }

    /**
     * Puts a checkpoint together of parts that lie anywhere, and checks that they fit and are whole.
     *
     * @throws ModelLoadException if they do not, or a weight is missing
     */
    public static Checkpoint of(CheckpointParts parts) {
        CheckpointParts.requireMatch(parts.transformer(), parts.textEncoder(), parts.vae(), parts.name());
        CheckpointParts.requireTokenizer(parts.tokenizer());
        return new Checkpoint(parts);
    }

    private void openWeights(Component component) {
        WeightIndex index;
        Map<String, List<Long>> expected;
        if (component.equals(Component.TEXT_ENCODER)) {
            index = files(component)
                    .renamed(name -> name.startsWith("model.") ? name.substring("model.".length()) : name);
            expected = textEncoder().tensors();
        } else if (component.equals(Component.TRANSFORMER)) {
            index = files(component);
            expected = transformer().tensors();
        } else {
            index = modernized(files(component));
            expected = vae().tensors();
        }
        index.check(expected);
        weights.put(component, index.selected(expected.keySet()));
    }

    /** Opens the half of the VAE that drawing from a prompt does without. Returns what is wrong with it, or null. */
    private @Nullable String openEncoder() {
        Map<String, List<Long>> expected = vae().encoderTensors();
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

    /** Returns the folder, or the file that stands for the model, absolute. */
    public Path folder() {
        return parts.place();
    }

    /** Returns a name to show: that of the folder or file, or of the model if the folder lies in a Hugging Face cache. */
    public String name() {
        return parts.name();
    }

    /** Returns what was assumed since no file says it, a sentence each. */
    public List<String> notes() {
        return parts.notes();
    }

    /** Returns the transformer's configuration. */
    public TransformerConfig transformer() {
        return parts.transformer();
    }

    /** Returns the text encoder's configuration. */
    public TextEncoderConfig textEncoder() {
        return parts.textEncoder();
    }

    /** Returns the VAE's configuration. */
    public VaeConfig vae() {
        return parts.vae();
    }

    /** Returns the scheduler's configuration. */
    public SchedulerConfig scheduler() {
        return parts.scheduler();
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

    /**
     * Returns the same checkpoint with a ControlNet beside it.
     *
     * @throws ModelLoadException if it does not fit the transformer
     */
    public Checkpoint withControlNet(ControlNetFile file) {
        Checkpoint result = new Checkpoint(this, Component.CONTROLNET, file.weights(file.config(transformer())));
        result.controlNet = file;
        return result;
    }

    /** Returns the ControlNet's configuration, or null if there is none. */
    public @Nullable ControlNetConfig controlNet() {
        return controlNet == null ? null : controlNet.config(transformer());
    }

    /** Returns the components that have weights of their own in files, in the order in which a generation uses them. */
    public List<Component> components() {
        return controlNet == null
                ? Component.values()
                : Stream.concat(Component.values().stream(), Stream.of(Component.CONTROLNET))
                        .toList();
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
        return entry(parts.files(), component);
    }

    /** Returns the class that a component has in Python. */
    public String className(Component component) {
        return entry(parts.classNames(), component);
    }

    /** Returns the tokenizer's file. */
    public Path tokenizer() {
        return parts.tokenizer();
    }

    private static <T> T entry(Map<Component, T> map, Component component) {
        T value = map.get(component);
        if (value == null) {
            throw new IllegalArgumentException("component must not be null");
        }
        return value;
    }
}
