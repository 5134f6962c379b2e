package io.github.zimage.internal.lora;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.github.zimage.Component;
import io.github.zimage.internal.io.ModelFile;
import java.util.Iterator;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The alpha that diffusers writes into a file's header, as peft's configuration in JSON, in place of a tensor. A strength is
 * {@code alpha / rank}, or {@code alpha / sqrt(rank)} with rsLoRA.
 */
final class AlphaMetadata {
    /** How the text is called in the header. */
    static final String KEY = "lora_adapter_metadata";

    private static final JsonMapper JSON = new JsonMapper(JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(16)
                    .maxNumberLength(100)
                    .maxStringLength(10_000)
                    .build())
            .build());

    private final JsonNode settings;

    private AlphaMetadata(JsonNode settings) {
        this.settings = settings;
    }

    /**
     * Reads it.
     *
     * @param metadata the header's texts
     * @param problem hears the name of a text that cannot be used, and why
     */
    static AlphaMetadata read(Map<String, String> metadata, BiConsumer<String, String> problem) {
        String text = metadata.get(KEY);
        if (text == null) {
            return new AlphaMetadata(MissingNode.getInstance());
        }
        try {
            AlphaMetadata read = new AlphaMetadata(JSON.readTree(text));
            read.checkPatterns(problem);
            return read;
        } catch (JsonProcessingException e) {
            problem.accept(KEY, "is not sound JSON: " + ModelFile.reason(e));
            return new AlphaMetadata(MissingNode.getInstance());
        }
    }

    private void checkPatterns(BiConsumer<String, String> problem) {
        for (Component component : new Component[] {Component.TRANSFORMER, Component.TEXT_ENCODER}) {
            Iterator<String> patterns = setting(component, "alpha_pattern").fieldNames();
            while (patterns.hasNext()) {
                String pattern = patterns.next();
                if (!literal(pattern).matches("[A-Za-z0-9_.-]+")) {
                    problem.accept(
                            KEY,
                            "the alpha of modules like " + ModelFile.quote(pattern)
                                    + " must be given by their names, not by an expression, and is not used");
                }
            }
        }
    }

    private JsonNode setting(Component component, String name) {
        JsonNode own = settings.path(component.id() + "." + name);
        return own.isMissingNode() ? settings.path(name) : own;
    }

    /** Returns a module's strength; null if nothing is said of it. */
    @Nullable
    Double scale(Component component, String module, int rank) {
        Double alpha = alpha(component, module);
        if (alpha == null) {
            return null;
        }
        return alpha / (setting(component, "use_rslora").asBoolean() ? Math.sqrt(rank) : rank);
    }

    /** Returns a module's alpha; null if nothing is said of it. */
    @Nullable
    Double alpha(Component component, String module) {
        JsonNode alpha = setting(component, "lora_alpha");
        for (Map.Entry<String, JsonNode> each :
                setting(component, "alpha_pattern").properties()) {
            String name = literal(each.getKey());
            if (module.equals(name) || module.endsWith("." + name)) {
                alpha = each.getValue();
                break;
            }
        }
        return alpha.isNumber() && Double.isFinite(alpha.doubleValue()) ? (Double) alpha.doubleValue() : null;
    }

    /** peft takes the patterns for expressions, but writes names, some with anchors. */
    private static String literal(String pattern) {
        String name = pattern.replace("\\.", ".");
        name = name.startsWith("^") ? name.substring(1) : name;
        return name.endsWith("$") ? name.substring(0, name.length() - 1) : name;
    }
}
