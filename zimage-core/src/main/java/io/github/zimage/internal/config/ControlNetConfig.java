package io.github.zimage.internal.config;

import io.github.zimage.ModelLoadException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a ControlNet, as its tensors tell it.
 *
 * @param variant what of its kind it is
 * @param base the transformer that it is for, which has the widths of its blocks
 * @param inChannels the channels of its pictures' latents: the transformer's, or twice as many and a mask
 * @param places for each of its control layers the main block of the transformer that its hint is added behind, rising from 0
 * @param refiners how many blocks of its own refine the picture's tokens
 */
public record ControlNetConfig(
        Variant variant, TransformerConfig base, int inChannels, List<Integer> places, int refiners) {
    /** The layer that leads into the first of some blocks. */
    public static final String BEFORE = ".0.before_proj";

    /** The prefix of the names of the control layers. */
    public static final String LAYERS = "control_layers";

    /** The prefix of the names of the blocks that refine the picture's tokens. */
    public static final String REFINER = "control_noise_refiner";

    /** The embedder of the picture's latents. */
    public static final String EMBEDDER = "control_all_x_embedder.2-1";

    /** How many main blocks the published transformers have. */
    private static final int PUBLISHED_LAYERS = 30;

    /** How many blocks of the transformer's noise refiner get hints, unless a configuration says so. */
    private static final int HINTED_REFINERS = 2;

    /** The kinds that are published, which compute differently. */
    public enum Variant {
        /** Refines the picture's tokens apart, without hints for the noise refiner. */
        UNION_1_0("Union 1.0"),
        /** Sends the picture's tokens through the control layers twice. */
        UNION_2_0("Union 2.0"),
        /** Refines the picture's tokens together with the noise. */
        UNION_2_1("Union 2.1 or Tile 2.1"),
        /** As 2.1, with few control layers. */
        LITE_2_1("Union 2.1 lite or Tile 2.1 lite");

        private final String title;

        Variant(String title) {
            this.title = title;
        }

        /** Returns its name for people. */
        public String title() {
            return title;
        }

        /** Returns whether blocks of the transformer's noise refiner get hints. */
        public boolean hintsRefiner() {
            return this != UNION_1_0;
        }

        /** Returns whether the control layers refine, too. */
        public boolean refinesWithLayers() {
            return this == UNION_2_0;
        }
    }

    /**
     * What a file's tensors say.
     *
     * @param label what messages call the file
     * @param dim the width of a token
     * @param inChannels the channels of pictures' latents
     * @param layers how many control layers there are
     * @param refiners how many blocks that refine
     * @param joined whether those take the noise in, by a layer that was trained
     * @param file a configuration beside it, or null
     */
    public record Facts(
            String label,
            long dim,
            int inChannels,
            int layers,
            int refiners,
            boolean joined,
            @Nullable ConfigFile file) {
        /** Returns the variant, for the published transformers. */
        public Variant variant() {
            return inChannels % 2 == 0 ? Variant.UNION_1_0 : maskedVariant(PUBLISHED_LAYERS);
        }

        private Variant maskedVariant(int mainBlocks) {
            if (!joined) {
                return Variant.UNION_2_0;
            }
            return 2 * layers < mainBlocks ? Variant.LITE_2_1 : Variant.UNION_2_1;
        }
    }

    /** Copies the list. */
    public ControlNetConfig {
        places = List.copyOf(places);
    }

    /**
     * Returns the shape of a ControlNet for a transformer.
     *
     * @throws ModelLoadException if it is for another one, or of no variant that is known
     */
    public static ControlNetConfig of(Facts facts, TransformerConfig base) {
        if (facts.dim() != base.dim()) {
            throw new ModelLoadException(
                    "%s: the ControlNet is for a transformer of %d features a token, but this one has %d: choose one that was made for this model"
                            .formatted(facts.label(), facts.dim(), base.dim()));
        }
        int own = base.inChannels();
        int withMask = 2 * own + 1;
        if (facts.inChannels() != own && facts.inChannels() != withMask) {
            throw new ModelLoadException(
                    "%s: a ControlNet for this model must take %d channels (Union 1.0) or %d (2.0 and later), but this takes %d"
                            .formatted(facts.label(), own, withMask, facts.inChannels()));
        }
        Variant variant = facts.inChannels() == own ? Variant.UNION_1_0 : facts.maskedVariant(base.layers());
        ControlNetConfig config = new ControlNetConfig(
                variant,
                base,
                facts.inChannels(),
                places(facts, base),
                variant.refinesWithLayers() ? 0 : facts.refiners());
        config.check(facts);
        return config;
    }

    private static List<Integer> places(Facts facts, TransformerConfig base) {
        ConfigFile file = facts.file();
        if (file != null && file.has("control_layers_places")) {
            List<Integer> given = file.integers("control_layers_places", List.of(), 0, base.layers() - 1);
            boolean rises = IntStream.range(1, given.size()).allMatch(i -> given.get(i - 1) < given.get(i));
            if (given.size() != facts.layers() || given.get(0) != 0 || !rises) {
                throw file.wrong(
                        "control_layers_places",
                        "must rise from 0, one for each of %d control layers".formatted(facts.layers()),
                        given);
            }
            return given;
        }
        int count = facts.layers();
        if (count == 0 || base.layers() % count != 0) {
            throw new ModelLoadException(
                    "%s: of no variant that is known: a ControlNet must have control layers for every second, fifth or tenth of the model's %d blocks, but this has %d"
                            .formatted(facts.label(), base.layers(), count));
        }
        int step = base.layers() / count;
        return IntStream.range(0, count).map(i -> i * step).boxed().toList();
    }

    private void check(Facts facts) {
        ConfigFile file = facts.file();
        if (file != null) {
            file.onlyText("_class_name", "ZImageControlNetModel");
            file.onlyIntegers("all_patch_size", List.of(TransformerConfig.PATCH_SIZE));
            file.onlyIntegers("control_refiner_layers_places", List.of(0, 1));
            if (file.integer("control_in_dim", inChannels, 1, 1 << 16) != inChannels) {
                throw file.wrong("control_in_dim", "must be the embedder's %d channels".formatted(inChannels));
            }
            String refining = variant.refinesWithLayers() ? LAYERS : REFINER;
            if (variant.hintsRefiner() && file.has("add_control_noise_refiner")) {
                file.onlyText("add_control_noise_refiner", refining);
            }
        }
        int needed = variant.hintsRefiner() ? HINTED_REFINERS : 0;
        int there = variant.refinesWithLayers() ? places.size() : refiners;
        if (base.refinerLayers() < needed || there < needed) {
            throw new ModelLoadException(
                    "%s: a ControlNet %s must have %d blocks of the noise refiner to hint at, but the model has %d and the file %d"
                            .formatted(facts.label(), variant.title(), needed, base.refinerLayers(), there));
        }
    }

    /** Returns how many blocks of the transformer's noise refiner get a hint each, from the first on. */
    public int refinerHints() {
        return variant.hintsRefiner() ? HINTED_REFINERS : 0;
    }

    /** Returns whether it takes a mask, and what lies beside it, with the picture. */
    public boolean takesMask() {
        return inChannels > base.inChannels();
    }

    /** Returns the names of the blocks in the order of a step: those that refine, then the control layers. */
    public List<String> blocks() {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < refiners; i++) {
            names.add(REFINER + "." + i);
        }
        for (int i = 0; i < places.size(); i++) {
            names.add(LAYERS + "." + i);
        }
        return names;
    }

    /** Returns the names of the blocks that have no {@code after_proj}, since they give no hint. */
    public List<String> withoutHint() {
        return variant == Variant.UNION_1_0 ? blocks().subList(0, refiners) : List.of();
    }

    /** Returns the shapes of all weights that are used by their names. All blocks are of one shape: those that give no hint have zeros for it. */
    public Map<String, List<Long>> tensors() {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        long dim = base.dim();
        long patch = (long) TransformerConfig.PATCH_SIZE * TransformerConfig.PATCH_SIZE * inChannels;
        TransformerConfig.linear(tensors, EMBEDDER, dim, patch);
        if (variant.hintsRefiner() && !variant.refinesWithLayers()) {
            TransformerConfig.linear(tensors, REFINER + BEFORE, dim, dim);
        }
        TransformerConfig.linear(tensors, LAYERS + BEFORE, dim, dim);
        for (String name : blocks()) {
            base.block(BlockWeights.CONTROLNET, tensors, name + ".", true);
        }
        return tensors;
    }
}
