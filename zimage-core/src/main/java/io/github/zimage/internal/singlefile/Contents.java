package io.github.zimage.internal.singlefile;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.quantized.QuantizedTensors;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Tells by the names and shapes of a file's tensors which parts of a model it holds, and which tensors are whose. */
final class Contents {
    /** Tensors that only one part has, the last words of their names. */
    private static final Map<Component, List<String>> MARKS = Map.of(
            Component.TRANSFORMER, List.of("cap_embedder.1.weight"),
            Component.TEXT_ENCODER, List.of("layers.0.self_attn.q_norm.weight", "blk.0.attn_q_norm.weight"),
            Component.VAE, List.of("decoder.conv_in.weight"));

    /** What the transformer's names may begin with. */
    private static final Set<String> TRANSFORMER_PREFIXES =
            Set.of("", "model.diffusion_model.", "diffusion_model.", "net.", "model.", "transformer.");

    private static final Pattern ADAPTER = Pattern.compile(
            "(.*[._])?(lora_[AB]|lora_(down|up)|lora_magnitude_vector|lokr_w\\d.*|hada_w\\d.*|dora_scale)(\\..*)?");
    /** What is never needed, whatever it is stored in. */
    private static final Pattern NEEDLESS =
            Pattern.compile("(.*\\.)?(lm_head|logit_scale)(\\..*)?|output\\.(weight|bias)");

    private static final long LUMINA_WIDTH = 2304;

    /** Other models, by tensors that begin so. */
    private static final Map<String, String> OTHER_MODELS = new LinkedHashMap<>();

    static {
        OTHER_MODELS.put("double_blocks.", "FLUX or HunyuanVideo");
        OTHER_MODELS.put("joint_blocks.", "Stable Diffusion 3");
        OTHER_MODELS.put("transformer_blocks.", "Qwen-Image, FLUX or Stable Diffusion 3");
        OTHER_MODELS.put("input_blocks.", "Stable Diffusion");
        OTHER_MODELS.put("down_blocks.", "Stable Diffusion");
        OTHER_MODELS.put("blocks.0.self_attn", "Wan");
        OTHER_MODELS.put("text_model.encoder", "CLIP");
        OTHER_MODELS.put("encoder.block.0.layer", "T5");
        OTHER_MODELS.put("enc.blk.", "T5");
        OTHER_MODELS.put("layers.0.self_attn", "a language model other than Qwen3");
        OTHER_MODELS.put("blk.0.", "a language model other than Qwen3");
    }

    private final TensorTable table;
    private final Map<Component, String> prefixes = new HashMap<>();
    private final Map<Component, Map<String, TensorEntry>> parts = new LinkedHashMap<>();
    private final List<String> others = new ArrayList<>();

    private Contents(TensorTable table) {
        this.table = table;
    }

    /**
     * Sorts a file's tensors.
     *
     * @throws ModelLoadException if the file holds none of the parts, or something that looks like one; the message says what it is
     */
    static Contents of(TensorTable table) {
        String file = ModelFile.name(table.file());
        refuse(table, file);
        Contents contents = new Contents(table);
        Map<String, Component> prefixes = new LinkedHashMap<>();
        for (Component component : Component.values()) {
            String prefix = prefix(component, table.tensors().keySet());
            if (prefix != null && prefixes.put(prefix, component) != null) {
                throw new ModelLoadException(
                        file + ": two parts of the model must have names that begin differently, but have not");
            }
        }
        if (prefixes.isEmpty()) {
            throw new ModelLoadException(file + ": must hold Z-Image's transformer, its text encoder or its VAE, but "
                    + whatElse(table.tensors().keySet()));
        }
        prefixes.forEach((prefix, component) -> {
            contents.parts.put(component, new LinkedHashMap<>());
            contents.prefixes.put(component, prefix);
        });
        table.tensors().values().forEach(tensor -> contents.sort(tensor, prefixes));
        contents.requireZImage(file);
        QuantizedTensors.requireHarmless(file, contents.others);
        return contents;
    }

    private static void refuse(TensorTable table, String file) {
        Set<String> names = table.tensors().keySet();
        String adapter = first(names, name -> ADAPTER.matcher(name).matches());
        if (adapter != null) {
            throw new ModelLoadException(file + ": is a LoRA, not a model (it has " + ModelFile.quote(adapter)
                    + "): name the model with --model, and this file with --lora");
        }
        if (first(names, name -> name.contains("dec_net.")) != null) {
            throw new ModelLoadException(
                    file + ": is a model that draws pixels without a VAE (it has dec_net), which is not supported");
        }
        if (first(names, name -> name.contains("control_layers.")) != null
                && first(names, name -> name.endsWith("cap_embedder.1.weight")) == null) {
            throw new ModelLoadException(file + ": is a ControlNet for Z-Image, not a model: it is not supported yet");
        }
        String packed = first(names, name -> name.endsWith(".qweight"));
        if (packed != null) {
            throw new ModelLoadException(file + ": is quantised by SVDQuant (nunchaku), GPTQ or AWQ (it has "
                    + ModelFile.quote(packed) + "), which is not read: take a BF16, FP8 or GGUF file");
        }
        if (first(names, name -> name.matches("(.*\\.)?visual\\..*")) != null) {
            throw new ModelLoadException(
                    file + ": is a Qwen3-VL model, which sees pictures; Z-Image's text encoder is plain Qwen3-4B");
        }
    }

    private static @Nullable String first(Set<String> names, Predicate<String> wanted) {
        return names.stream().filter(wanted).findFirst().orElse(null);
    }

    private static @Nullable String prefix(Component component, Set<String> names) {
        for (String mark : MARKS.getOrDefault(component, List.of())) {
            for (String name : names) {
                if (name.equals(mark) || name.endsWith("." + mark)) {
                    String prefix = name.substring(0, name.length() - mark.length());
                    if (!component.equals(Component.TRANSFORMER) || TRANSFORMER_PREFIXES.contains(prefix)) {
                        return prefix;
                    }
                }
            }
        }
        return null;
    }

    private static String whatElse(Set<String> names) {
        for (Map.Entry<String, String> other : OTHER_MODELS.entrySet()) {
            for (String name : names) {
                if (name.startsWith(other.getKey()) || name.contains("." + other.getKey())) {
                    return "holds " + other.getValue() + " (it has " + ModelFile.quote(name) + ")";
                }
            }
        }
        String any = first(names, name -> true);
        return any == null ? "holds no tensors" : "holds tensors such as " + ModelFile.quote(any);
    }

    /** A tensor belongs to the part with the longest prefix that its name begins with. */
    private void sort(TensorEntry tensor, Map<String, Component> prefixes) {
        String longest = null;
        for (String prefix : prefixes.keySet()) {
            if (tensor.name().startsWith(prefix) && (longest == null || prefix.length() > longest.length())) {
                longest = prefix;
            }
        }
        Component owner = longest == null ? null : prefixes.get(longest);
        if (NEEDLESS.matcher(tensor.name()).matches()) {
            return;
        }
        if (owner == null || longest == null) {
            others.add(tensor.name());
        } else {
            String name = tensor.name().substring(longest.length());
            part(owner).put(name, tensor.withName(name));
        }
    }

    private Map<String, TensorEntry> part(Component component) {
        return parts.computeIfAbsent(component, missing -> new LinkedHashMap<>());
    }

    private void requireZImage(String file) {
        TensorEntry caption = part(Component.TRANSFORMER).get("cap_embedder.1.weight");
        if (caption != null && !caption.shape().isEmpty() && caption.shape().get(0) == LUMINA_WIDTH) {
            throw new ModelLoadException(
                    file + ": is Lumina 2 (cap_embedder.1.weight has 2304 rows; Z-Image's has 3840), another model");
        }
        parts.values().removeIf(Map::isEmpty);
    }

    /**
     * Returns the weights of a part, with the numbers that they stand for, under the file's names; null if the part is not there.
     *
     * @throws ModelLoadException if they are stored in a way that is not understood
     */
    @Nullable
    Map<String, TensorEntry> weights(Component component) {
        Map<String, TensorEntry> tensors = parts.get(component);
        return tensors == null
                ? null
                : QuantizedTensors.decoded(
                        ModelFile.name(table.file()), tensors, table.metadata(), prefixes.getOrDefault(component, ""));
    }

    /** Returns what the file says beside its tensors. */
    Map<String, String> metadata() {
        return table.metadata();
    }

    /** Returns which parts the file holds. */
    Set<Component> components() {
        return parts.keySet();
    }
}
