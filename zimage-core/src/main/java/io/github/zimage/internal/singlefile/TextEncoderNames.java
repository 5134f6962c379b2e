package io.github.zimage.internal.singlefile;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The names of the text encoder's tensors: those of llama.cpp, and those of transformers. */
final class TextEncoderNames {
    private static final Pattern BLOCK = Pattern.compile("blk\\.(\\d+)\\.([a-z_]+)\\.(weight|bias)");
    private static final Map<String, String> IN_BLOCK = Map.ofEntries(
            Map.entry("attn_norm", "input_layernorm"),
            Map.entry("attn_q", "self_attn.q_proj"),
            Map.entry("attn_k", "self_attn.k_proj"),
            Map.entry("attn_v", "self_attn.v_proj"),
            Map.entry("attn_output", "self_attn.o_proj"),
            Map.entry("attn_q_norm", "self_attn.q_norm"),
            Map.entry("attn_k_norm", "self_attn.k_norm"),
            Map.entry("ffn_norm", "post_attention_layernorm"),
            Map.entry("ffn_gate", "mlp.gate_proj"),
            Map.entry("ffn_up", "mlp.up_proj"),
            Map.entry("ffn_down", "mlp.down_proj"));
    private static final Map<String, String> OUTSIDE =
            Map.of("token_embd.weight", "embed_tokens.weight", "output_norm.weight", "norm.weight");

    private TextEncoderNames() {}

    /** Returns the tensors under transformers' names, without the {@code model.} that they begin with there. */
    static Map<String, TensorEntry> transformers(Map<String, TensorEntry> tensors) {
        RenamedTensors renamed = new RenamedTensors();
        tensors.values().forEach(tensor -> renamed.put(tensor.withName(transformers(tensor.name()))));
        return renamed.tensors();
    }

    private static String transformers(String name) {
        Matcher block = BLOCK.matcher(name);
        if (block.matches()) {
            String known = IN_BLOCK.get(block.group(2));
            return known == null ? name : "layers." + block.group(1) + "." + known + "." + block.group(3);
        }
        return OUTSIDE.getOrDefault(name, name);
    }
}
