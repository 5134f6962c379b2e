package io.github.zimage.internal.config;

import io.github.zimage.Component;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The one list of the weights that a component's blocks consist of, and of what each is for. */
public final class BlockWeights {
    /** What a weight is for. Those of a block lie in memory in this order. */
    public enum Role {
        /** A matrix that the rows of attention's input are multiplied by. */
        ATTENTION_INPUT,
        /** The matrix behind attention. */
        ATTENTION_OUTPUT,
        /** A matrix that the rows of the feed-forward's input are multiplied by. */
        FEED_FORWARD_INPUT,
        /** The matrix that ends the feed-forward. */
        FEED_FORWARD_OUTPUT,
        /** A matrix that leads out of the block, beside the stream of its tokens. */
        HINT_OUTPUT,
        /** What is added to the product with one of these matrices. */
        BIAS,
        /** The weight of a norm within a block. */
        NORM,
        /** The weight of a norm that the timestep modulates, which is kept outside of the block. */
        MODULATED_NORM,
        /** What makes norms of timesteps. */
        MODULATION,
        /** Outside of all blocks: matrices, and what is added to their products, that compute in the component's precision. */
        OUTER,
        /** Outside of all blocks: what computes in FP32 always. */
        EXACT;

        /** Returns whether it is a matrix of a block, which 8-bit numbers are for. */
        public boolean isProduct() {
            return compareTo(BIAS) < 0;
        }

        /** Returns whether it comes and goes with a block. */
        public boolean isStreamed() {
            return compareTo(MODULATED_NORM) < 0;
        }

        /** Returns whether it computes in the component's precision. */
        public boolean isInPrecision() {
            return compareTo(NORM) < 0 || this == OUTER;
        }
    }

    /** A dimension of a weight. */
    enum Size {
        /** A token's vector. */
        HIDDEN,
        /** A head of attention. */
        HEAD,
        /** All heads of queries. */
        QUERIES,
        /** All heads of keys, and of values. */
        KEYS,
        /** Between the feed-forward's matrices. */
        INNER,
        /** The time's vector. */
        TIME,
        /** What modulates a block: two scales, two gates. */
        MODULATIONS
    }

    /**
     * A weight of a block.
     *
     * @param name its name without that of the block
     */
    record Entry(String name, Role role, List<Size> shape) {
        private static Entry of(String name, Role role, Size... shape) {
            return new Entry(name, role, List.of(shape));
        }

        List<Long> shape(ToLongFunction<Size> sizes) {
            return shape.stream().map(sizes::applyAsLong).toList();
        }
    }

    /** The transformer's. */
    public static final BlockWeights TRANSFORMER = new BlockWeights(
            "noise_refiner|context_refiner|layers",
            List.of(
                    Entry.of("attention.norm_q.weight", Role.NORM, Size.HEAD),
                    Entry.of("attention.norm_k.weight", Role.NORM, Size.HEAD),
                    Entry.of("attention.to_q.weight", Role.ATTENTION_INPUT, Size.HIDDEN, Size.HIDDEN),
                    Entry.of("attention.to_k.weight", Role.ATTENTION_INPUT, Size.HIDDEN, Size.HIDDEN),
                    Entry.of("attention.to_v.weight", Role.ATTENTION_INPUT, Size.HIDDEN, Size.HIDDEN),
                    Entry.of("attention.to_out.0.weight", Role.ATTENTION_OUTPUT, Size.HIDDEN, Size.HIDDEN),
                    Entry.of("feed_forward.w1.weight", Role.FEED_FORWARD_INPUT, Size.INNER, Size.HIDDEN),
                    Entry.of("feed_forward.w2.weight", Role.FEED_FORWARD_OUTPUT, Size.HIDDEN, Size.INNER),
                    Entry.of("feed_forward.w3.weight", Role.FEED_FORWARD_INPUT, Size.INNER, Size.HIDDEN),
                    Entry.of("attention_norm1.weight", Role.MODULATED_NORM, Size.HIDDEN),
                    Entry.of("ffn_norm1.weight", Role.MODULATED_NORM, Size.HIDDEN),
                    Entry.of("attention_norm2.weight", Role.MODULATED_NORM, Size.HIDDEN),
                    Entry.of("ffn_norm2.weight", Role.MODULATED_NORM, Size.HIDDEN),
                    Entry.of("adaLN_modulation.0.weight", Role.MODULATION, Size.MODULATIONS, Size.TIME),
                    Entry.of("adaLN_modulation.0.bias", Role.MODULATION, Size.MODULATIONS)),
            "(all_x_embedder\\.[^.]*|cap_embedder\\.1|all_final_layer\\.[^.]*\\.linear)\\.(weight|bias)");

    /** A ControlNet's: a transformer's block, and what makes a hint of its tokens. */
    public static final BlockWeights CONTROLNET = new BlockWeights(
            "control_noise_refiner|control_layers",
            Stream.concat(
                            TRANSFORMER.entries.stream(),
                            Stream.of(
                                    Entry.of("after_proj.weight", Role.HINT_OUTPUT, Size.HIDDEN, Size.HIDDEN),
                                    Entry.of("after_proj.bias", Role.BIAS, Size.HIDDEN)))
                    .toList(),
            "(control_all_x_embedder\\.[^.]*|control_(?:noise_refiner|layers)\\.0\\.before_proj)\\.(weight|bias)");

    /** The text encoder's. */
    public static final BlockWeights TEXT_ENCODER = new BlockWeights(
            "layers",
            List.of(
                    Entry.of("self_attn.q_proj.weight", Role.ATTENTION_INPUT, Size.QUERIES, Size.HIDDEN),
                    Entry.of("self_attn.q_proj.bias", Role.BIAS, Size.QUERIES),
                    Entry.of("self_attn.k_proj.weight", Role.ATTENTION_INPUT, Size.KEYS, Size.HIDDEN),
                    Entry.of("self_attn.k_proj.bias", Role.BIAS, Size.KEYS),
                    Entry.of("self_attn.v_proj.weight", Role.ATTENTION_INPUT, Size.KEYS, Size.HIDDEN),
                    Entry.of("self_attn.v_proj.bias", Role.BIAS, Size.KEYS),
                    Entry.of("self_attn.o_proj.weight", Role.ATTENTION_OUTPUT, Size.HIDDEN, Size.QUERIES),
                    Entry.of("self_attn.o_proj.bias", Role.BIAS, Size.HIDDEN),
                    Entry.of("self_attn.q_norm.weight", Role.NORM, Size.HEAD),
                    Entry.of("self_attn.k_norm.weight", Role.NORM, Size.HEAD),
                    Entry.of("mlp.gate_proj.weight", Role.FEED_FORWARD_INPUT, Size.INNER, Size.HIDDEN),
                    Entry.of("mlp.up_proj.weight", Role.FEED_FORWARD_INPUT, Size.INNER, Size.HIDDEN),
                    Entry.of("mlp.down_proj.weight", Role.FEED_FORWARD_OUTPUT, Size.HIDDEN, Size.INNER),
                    Entry.of("input_layernorm.weight", Role.NORM, Size.HIDDEN),
                    Entry.of("post_attention_layernorm.weight", Role.NORM, Size.HIDDEN)),
            "embed_tokens\\.weight");

    private static final Map<Component, BlockWeights> BY_COMPONENT = Map.of(
            Component.TRANSFORMER, TRANSFORMER,
            Component.CONTROLNET, CONTROLNET,
            Component.TEXT_ENCODER, TEXT_ENCODER);

    private final String kinds;
    private final Pattern block;
    private final List<Entry> entries;
    private final Map<String, Role> roles = new HashMap<>();
    private final Pattern outer;

    private BlockWeights(String kinds, List<Entry> entries, String outer) {
        this.kinds = kinds;
        this.block = Pattern.compile("(?<block>(" + kinds + ")\\.\\d+)\\.(?<rest>.*)");
        this.entries = entries;
        this.outer = Pattern.compile(outer);
        entries.forEach(entry -> roles.put(entry.name(), entry.role()));
    }

    /** Returns the list of a component, or null if it has no blocks. */
    public static @Nullable BlockWeights of(Component component) {
        return BY_COMPONENT.get(component);
    }

    /** Returns the weights of a block in the order of the checkpoint. */
    List<Entry> entries() {
        return entries;
    }

    /** Returns the names, without that of the block, of what comes and goes with a block, in the order of {@link Role}. */
    public List<String> streamed() {
        return entries.stream()
                .filter(entry -> entry.role().isStreamed())
                .sorted(Comparator.comparing(Entry::role))
                .map(Entry::name)
                .toList();
    }

    /** Returns what the names of blocks' weights of some roles look like; the first group is the name of the block. */
    public Pattern names(Predicate<Role> wanted) {
        String names = entries.stream()
                .filter(entry -> wanted.test(entry.role()))
                .map(entry -> Pattern.quote(entry.name()))
                .collect(Collectors.joining("|"));
        return Pattern.compile("((?:" + kinds + ")\\.\\d+)\\.(?:" + names + ")");
    }

    /** Returns what the names of weights look like that compute in FP32 always. */
    public Pattern exactNames() {
        return Pattern.compile("(?!(?:" + names(Role::isInPrecision) + "|" + outer + ")$).*");
    }

    /** Returns the name of the block that a weight belongs to, or null if it is outside of all. */
    public @Nullable String block(String name) {
        Matcher matcher = block.matcher(name);
        return matcher.matches() ? matcher.group("block") : null;
    }

    /** Returns the name of a weight without that of the block; the whole name if it is outside of all. */
    private String withinBlock(String name) {
        Matcher matcher = block.matcher(name);
        return matcher.matches() ? matcher.group("rest") : name;
    }

    /** Returns what a weight is for. One that the list does not know is {@link Role#EXACT}. */
    public Role role(String name) {
        Role role = block(name) == null ? null : roles.get(withinBlock(name));
        return role != null ? role : outer.matcher(name).matches() ? Role.OUTER : Role.EXACT;
    }

    /** Returns whether a weight of any component is the matrix that ends a feed-forward. */
    public static boolean endsFeedForward(String name) {
        return Stream.of(TRANSFORMER, CONTROLNET, TEXT_ENCODER)
                .anyMatch(list -> list.role(name) == Role.FEED_FORWARD_OUTPUT);
    }
}
