package io.github.zimage.internal.request;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.Lora;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** How a LoRA stands in JSON: its name, or an object of name, weight, and what else is said of it. Never a path. */
final class LoraJson {
    private static final String NAME = "name";
    private static final String WEIGHT = "weight";
    private static final String BLOCKS = "blocks";
    private static final String PROMPTS = "prompts";
    private static final String SHA256 = "sha256";
    private static final Set<String> NAMES = Set.of(NAME, WEIGHT, BLOCKS, PROMPTS, SHA256);

    static final FieldType<Lora> TYPE = new FieldType<>(
            "the name of a LoRA, or an object of its name, weight, blocks, prompts and sha256",
            node -> read(node) != null,
            LoraJson::needed,
            LoraJson::write);

    private LoraJson() {}

    private static Lora needed(JsonNode node) {
        Lora lora = read(node);
        if (lora == null) {
            throw new IllegalArgumentException("not a LoRA");
        }
        return lora;
    }

    private static @Nullable Lora read(JsonNode node) {
        try {
            return node.isTextual() ? Lora.named(node.textValue()) : node.isObject() ? object(node) : null;
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static Lora object(JsonNode node) {
        node.fieldNames().forEachRemaining(name -> {
            if (!NAMES.contains(name)) {
                throw new IllegalArgumentException("a LoRA has no " + name);
            }
        });
        Lora lora = Lora.named(text(node.path(NAME)));
        if (node.has(WEIGHT)) {
            lora = lora.weight(number(node.path(WEIGHT)));
        }
        if (node.has(BLOCKS)) {
            Map<String, Double> blocks = new LinkedHashMap<>();
            for (Map.Entry<String, JsonNode> each : node.path(BLOCKS).properties()) {
                blocks.put(each.getKey(), number(each.getValue()));
            }
            lora = lora.blockWeights(blocks);
        }
        if (node.has(PROMPTS)) {
            lora = lora.prompts(Lora.Prompts.valueOf(text(node.path(PROMPTS)).toUpperCase(Locale.ROOT)));
        }
        return node.has(SHA256) ? lora.sha256(text(node.path(SHA256))) : lora;
    }

    private static String text(JsonNode node) {
        if (!node.isTextual()) {
            throw new IllegalArgumentException("a text is needed");
        }
        return node.textValue();
    }

    private static double number(JsonNode node) {
        if (!node.isNumber()) {
            throw new IllegalArgumentException("a number is needed");
        }
        return node.doubleValue();
    }

    private static JsonNode write(Lora lora) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put(NAME, lora.name());
        json.put(WEIGHT, lora.weight());
        if (!lora.blockWeights().isEmpty()) {
            ObjectNode blocks = json.putObject(BLOCKS);
            lora.blockWeights().forEach(blocks::put);
        }
        if (lora.prompts() != Lora.Prompts.BOTH) {
            json.put(PROMPTS, lora.prompts().name().toLowerCase(Locale.ROOT));
        }
        if (lora.sha256() != null) {
            json.put(SHA256, lora.sha256());
        }
        return json;
    }
}
