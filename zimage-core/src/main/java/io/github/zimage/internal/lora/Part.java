package io.github.zimage.internal.lora;

import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What a tensor of an adapter's file is for, which the end of its name says. */
enum Part {
    /** [rank, in]. */
    DOWN,
    /** [out, rank]. */
    UP,
    /** What is added to what the second factor gives, [out]. */
    UP_BIAS,
    /** One number, by which the rank divides. */
    ALPHA,
    /** The lengths of the rows of the sum, [out] or [out, 1]. */
    MAGNITUDE,
    /** LoHa: [out, rank]. */
    HADA_W1_A,
    /** LoHa: [rank, in]. */
    HADA_W1_B,
    /** LoHa: [out, rank]. */
    HADA_W2_A,
    /** LoHa: [rank, in]. */
    HADA_W2_B,
    /** LoKr: the left matrix. */
    LOKR_W1,
    /** LoKr: the first factor of the left matrix. */
    LOKR_W1_A,
    /** LoKr: the second factor of the left matrix. */
    LOKR_W1_B,
    /** LoKr: the right matrix. */
    LOKR_W2,
    /** LoKr: the first factor of the right matrix. */
    LOKR_W2_A,
    /** LoKr: the second factor of the right matrix. */
    LOKR_W2_B,
    /** What is added to a weight, of its shape. */
    DIFF,
    /** What is added to a bias. */
    DIFF_B,
    /** What this library knows by name, and cannot apply. */
    UNSUPPORTED;

    /** The ends of names that programs give to the parts: the one table of them, the longest first. */
    private static final List<Suffix> SUFFIXES = Stream.of(
                    endings(
                            DOWN,
                            "lora_A.weight",
                            "lora_A.default.weight",
                            "lora_A",
                            "lora_down.weight",
                            "lora_down.default.weight",
                            "lora_down",
                            "lora.down.weight",
                            "lora_linear_layer.down.weight"),
                    endings(
                            UP,
                            "lora_B.weight",
                            "lora_B.default.weight",
                            "lora_B",
                            "lora_up.weight",
                            "lora_up.default.weight",
                            "lora_up",
                            "lora.up.weight",
                            "lora_linear_layer.up.weight"),
                    endings(UP_BIAS, "lora_B.bias", "lora_B.default.bias", "lora_up.bias"),
                    endings(ALPHA, "alpha", "lora.alpha"),
                    endings(
                            MAGNITUDE,
                            "dora_scale",
                            "lora_magnitude_vector",
                            "lora_magnitude_vector.weight",
                            "lora_magnitude_vector.default",
                            "lora_magnitude_vector.default.weight"),
                    endings(HADA_W1_A, "hada_w1_a"),
                    endings(HADA_W1_B, "hada_w1_b"),
                    endings(HADA_W2_A, "hada_w2_a"),
                    endings(HADA_W2_B, "hada_w2_b"),
                    endings(LOKR_W1, "lokr_w1"),
                    endings(LOKR_W1_A, "lokr_w1_a"),
                    endings(LOKR_W1_B, "lokr_w1_b"),
                    endings(LOKR_W2, "lokr_w2"),
                    endings(LOKR_W2_A, "lokr_w2_a"),
                    endings(LOKR_W2_B, "lokr_w2_b"),
                    endings(DIFF, "diff", "w_norm"),
                    endings(DIFF_B, "diff_b", "b_norm"),
                    endings(
                            UNSUPPORTED,
                            "lora_mid.weight",
                            "hada_t1",
                            "hada_t2",
                            "lokr_t2",
                            "oft_blocks",
                            "oft_diag",
                            "rescale",
                            "a1.weight",
                            "a2.weight",
                            "b1.weight",
                            "b2.weight",
                            "lora_embedding_A",
                            "lora_embedding_B",
                            "reshape_weight",
                            "set_weight",
                            "on_input"))
            .flatMap(List::stream)
            .sorted(Comparator.comparing((Suffix each) -> each.text().length()).reversed())
            .toList();

    /**
     * The end of a name.
     *
     * @param text without the dot before it
     */
    record Suffix(String text, Part part) {
        private boolean ends(String name) {
            int dot = name.length() - text.length() - 1;
            return dot > 0 && name.charAt(dot) == '.' && name.endsWith(text);
        }

        /** Returns what stands before the suffix. */
        String module(String name) {
            return name.substring(0, name.length() - text.length() - 1);
        }
    }

    private static List<Suffix> endings(Part part, String... texts) {
        return Stream.of(texts).map(text -> new Suffix(text, part)).toList();
    }

    /** Returns the longest suffix that a name ends with; null if it ends with none. */
    static @Nullable Suffix suffix(String name) {
        for (Suffix each : SUFFIXES) {
            if (each.ends(name)) {
                return each;
            }
        }
        return null;
    }
}
