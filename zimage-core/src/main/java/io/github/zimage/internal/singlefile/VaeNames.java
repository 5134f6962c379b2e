package io.github.zimage.internal.singlefile;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The names of the VAE's tensors: those of the original program and of ComfyUI, and those of diffusers. */
final class VaeNames {
    private static final Pattern LEVEL = Pattern.compile(
            "(?<half>encoder\\.down|decoder\\.up)\\.(?<level>\\d{1,2})\\.(?<part>block|downsample|upsample)\\.(?<rest>.*)");
    private static final Pattern MIDDLE = Pattern.compile("((?:en|de)coder)\\.mid\\.(block_1|block_2|attn_1)\\.(.*)");
    private static final Map<String, String> ATTENTION =
            Map.of("norm", "group_norm", "q", "to_q", "k", "to_k", "v", "to_v", "proj_out", "to_out.0");

    private VaeNames() {}

    /** Returns the tensors under diffusers' names, whichever they have. */
    static Map<String, TensorEntry> diffusers(Map<String, TensorEntry> tensors) {
        int levels = 0;
        for (String name : tensors.keySet()) {
            Matcher level = LEVEL.matcher(name);
            if (level.matches()) {
                levels = Math.max(levels, 1 + Integer.parseInt(level.group("level")));
            }
        }
        RenamedTensors renamed = new RenamedTensors();
        for (TensorEntry tensor : tensors.values()) {
            renamed.put(tensor.withName(diffusers(tensor.name(), levels)));
        }
        return renamed.tensors();
    }

    private static String diffusers(String name, int levels) {
        Matcher level = LEVEL.matcher(name);
        if (level.matches()) {
            int number = Integer.parseInt(level.group("level"));
            boolean up = level.group("half").equals("decoder.up");
            String blocks = level.group("half") + "_blocks." + (up ? levels - 1 - number : number) + ".";
            String rest = level.group("rest");
            return switch (level.group("part")) {
                case "block" -> blocks + "resnets." + rest.replace("nin_shortcut", "conv_shortcut");
                case "downsample" -> blocks + "downsamplers.0." + rest;
                default -> blocks + "upsamplers.0." + rest;
            };
        }
        Matcher middle = MIDDLE.matcher(name);
        if (middle.matches()) {
            String block = middle.group(1) + ".mid_block.";
            return switch (middle.group(2)) {
                case "block_1" -> block + "resnets.0." + middle.group(3);
                case "block_2" -> block + "resnets.1." + middle.group(3);
                default -> block + "attentions.0." + attention(middle.group(3));
            };
        }
        return name.replaceFirst("^((?:en|de)coder)\\.norm_out\\.", "$1.conv_norm_out.");
    }

    private static String attention(String rest) {
        int dot = rest.lastIndexOf('.');
        String part = dot < 0 ? rest : rest.substring(0, dot);
        return ATTENTION.getOrDefault(part, part) + (dot < 0 ? "" : rest.substring(dot));
    }
}
