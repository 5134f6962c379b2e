package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import io.github.zimage.internal.lora.Part.Suffix;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The names that programs give to the modules of a model: what may stand before them, other names, and separators. A name is looked up
 * among all that a model's modules can have, with every separator turned to one, so that a name with {@code _} for {@code .} need not be
 * taken apart.
 */
final class ModuleNames {
    private static final String WEIGHT = ".weight";
    private static final String BIAS = ".bias";

    /** What may stand before a module's name, several of them one behind the other; and the component that it tells, if it does. */
    private static final List<Prefix> PREFIXES = List.of(
            new Prefix("base_model.model.", null),
            new Prefix("model.diffusion_model.", Component.TRANSFORMER),
            new Prefix("diffusion_model.", Component.TRANSFORMER),
            new Prefix("pipe.dit.", Component.TRANSFORMER),
            new Prefix("transformer.", null),
            new Prefix("lora_unet_", Component.TRANSFORMER),
            new Prefix("lora_transformer_", Component.TRANSFORMER),
            new Prefix("lycoris_", null),
            new Prefix("text_encoders.qwen3_4b.", Component.TEXT_ENCODER),
            new Prefix("text_encoder.", Component.TEXT_ENCODER),
            new Prefix("lora_te_", Component.TEXT_ENCODER),
            new Prefix("lora_te1_", Component.TEXT_ENCODER),
            new Prefix("lora_te2_", Component.TEXT_ENCODER),
            new Prefix("lora_te3_", Component.TEXT_ENCODER));

    /** Other names of the ends of modules' names. */
    private static final List<Alias> ALIASES = List.of(
            new Alias("attention.to_out.0", "attention.out"),
            new Alias("attention.to_out.0", "attention.to_out"),
            new Alias("attention.norm_q", "attention.q_norm"),
            new Alias("attention.norm_k", "attention.k_norm"),
            new Alias("all_x_embedder.2-1", "x_embedder"),
            new Alias("all_final_layer.2-1.linear", "final_layer.linear"),
            new Alias("all_final_layer.2-1.adaLN_modulation.1", "final_layer.adaLN_modulation.1"));

    private static final String FUSED = "attention.qkv";
    private static final List<String> FUSED_PARTS = List.of("attention.to_q", "attention.to_k", "attention.to_v");
    private static final String LANGUAGE_MODEL = "model.";

    private final Map<Component, Map<String, Target>> targets = new LinkedHashMap<>();

    private record Prefix(String text, @Nullable Component component) {}

    private record Alias(String name, String other) {}

    /**
     * What a name means.
     *
     * @param rule how it was read: what stood before the module and behind it
     * @param target the modules; null if the model has none of that name
     * @param module the module as the file calls it, without what stood before
     */
    record Match(Suffix suffix, String rule, @Nullable Target target, String module) {}

    /** Lists the names of all modules of a model. */
    ModuleNames(ModelShapes model) {
        put(Component.TRANSFORMER, model.transformer().keySet(), "");
        put(Component.TEXT_ENCODER, model.textEncoder().keySet(), LANGUAGE_MODEL);
    }

    private void put(Component component, Set<String> tensors, String further) {
        Map<String, Target> names = new HashMap<>();
        for (String tensor : tensors) {
            String module = module(tensor);
            Target target = new Target(component, List.of(module));
            put(names, module, target);
            put(names, further + module, target);
            for (Alias alias : ALIASES) {
                if (isEnd(module, alias.name())) {
                    put(names, replaced(module, alias.name(), alias.other()), target);
                }
            }
            if (isEnd(module, FUSED_PARTS.get(0))) {
                List<String> parts = FUSED_PARTS.stream()
                        .map(part -> replaced(module, FUSED_PARTS.get(0), part))
                        .toList();
                put(names, replaced(module, FUSED_PARTS.get(0), FUSED), new Target(component, parts));
            }
        }
        targets.put(component, names);
    }

    private static void put(Map<String, Target> names, String name, Target target) {
        Target before = names.putIfAbsent(flat(name), target);
        if (before != null && !before.equals(target)) {
            throw new IllegalArgumentException(
                    "modules must have different names, but " + name + " is " + before + " and " + target);
        }
    }

    /** Returns the name of the module that a weight belongs to. */
    static String module(String tensor) {
        for (String end : List.of(WEIGHT, BIAS)) {
            if (tensor.endsWith(end)) {
                return tensor.substring(0, tensor.length() - end.length());
            }
        }
        return tensor;
    }

    private static boolean isEnd(String module, String end) {
        return module.equals(end) || module.endsWith("." + end);
    }

    private static String replaced(String module, String end, String other) {
        return module.substring(0, module.length() - end.length()) + other;
    }

    private static String flat(String name) {
        return name.replace('.', '_').replace('-', '_');
    }

    /** Returns what a tensor's name means; null if it ends as no part of an adapter does. */
    @Nullable
    Match match(String key) {
        Suffix suffix = Part.suffix(key);
        if (suffix == null) {
            return null;
        }
        String module = suffix.module(key);
        StringBuilder before = new StringBuilder();
        Component component = null;
        for (Prefix prefix = prefix(module); prefix != null; prefix = prefix(module)) {
            before.append(prefix.text());
            module = module.substring(prefix.text().length());
            component = prefix.component() == null ? component : prefix.component();
        }
        return new Match(suffix, before + "*." + suffix.text(), target(component, flat(module)), module);
    }

    private @Nullable Target target(@Nullable Component component, String flat) {
        for (Map.Entry<Component, Map<String, Target>> each : targets.entrySet()) {
            Target target = each.getValue().get(flat);
            if (target != null && (component == null || component.equals(each.getKey()))) {
                return target;
            }
        }
        return null;
    }

    private static @Nullable Prefix prefix(String module) {
        for (Prefix each : PREFIXES) {
            if (module.startsWith(each.text())) {
                return each;
            }
        }
        return null;
    }
}
