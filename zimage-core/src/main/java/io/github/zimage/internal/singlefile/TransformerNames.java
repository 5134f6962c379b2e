package io.github.zimage.internal.singlefile;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.Map;

/** The names of the transformer's tensors: those of the original program, of ComfyUI and GGUF files, and those of diffusers. */
final class TransformerNames {
    private static final String FUSED = ".attention.qkv.weight";

    private TransformerNames() {}

    /** Returns the tensors under diffusers' names. Rows of fused matrices become entries of the same bytes. */
    static Map<String, TensorEntry> diffusers(Map<String, TensorEntry> tensors) {
        RenamedTensors renamed = new RenamedTensors();
        tensors.forEach((name, tensor) -> {
            boolean isFused = name.endsWith(FUSED)
                    && tensor.shape().size() == 2
                    && tensor.shape().get(0) % 3 == 0;
            if (isFused) {
                String attention = name.substring(0, name.length() - "qkv.weight".length());
                long rows = tensor.shape().get(0) / 3;
                renamed.put(tensor.rows(attention + "to_q.weight", 0, rows));
                renamed.put(tensor.rows(attention + "to_k.weight", rows, rows));
                renamed.put(tensor.rows(attention + "to_v.weight", 2 * rows, rows));
            } else {
                renamed.put(tensor.withName(diffusers(name)));
            }
        });
        return renamed.tensors();
    }

    private static String diffusers(String name) {
        if (name.startsWith("x_embedder.")) {
            return "all_x_embedder.2-1." + name.substring("x_embedder.".length());
        }
        if (name.startsWith("final_layer.")) {
            return "all_final_layer.2-1." + name.substring("final_layer.".length());
        }
        return name.replace(".attention.out.", ".attention.to_out.0.")
                .replace(".attention.q_norm.", ".attention.norm_q.")
                .replace(".attention.k_norm.", ".attention.norm_k.");
    }
}
