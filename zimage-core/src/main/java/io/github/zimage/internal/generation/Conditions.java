package io.github.zimage.internal.generation;

import io.github.zimage.Nag;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.engine.Denoiser;
import io.github.zimage.internal.transformer.Avoided;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.TransformerInput;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;

/** What each picture shall show, and shall not, as the transformer takes it: the same in all evaluations. */
final class Conditions {
    private final List<Picture> pictures;
    private final List<TransformerInput> positive;
    private final List<TransformerInput> negative;

    private Conditions(List<Picture> pictures, List<TransformerInput> positive, List<TransformerInput> negative) {
        this.pictures = pictures;
        this.positive = positive;
        this.negative = negative;
    }

    /**
     * Turns embeddings into captions and rotary embeddings, each once.
     *
     * @param nag if on, what pictures shall not show acts by attention; by predictions of its own otherwise
     */
    static Conditions of(Denoiser denoiser, Embeddings text, Nag nag, List<Picture> pictures) {
        if (nag.isOn()) {
            return avoiding(denoiser, text, nag, pictures);
        }
        boolean apart = text.negative() != null && denoiser.adaptsNegatives();
        Inputs inputs = new Inputs(denoiser, denoiser::captions, apart ? text.positives() : text.distinct());
        Inputs negatives = apart ? new Inputs(denoiser, denoiser::negativeCaptions, List.of(text.negative())) : inputs;
        List<TransformerInput> positive = new ArrayList<>();
        List<TransformerInput> negative = new ArrayList<>();
        for (Picture picture : pictures) {
            positive.add(inputs.of(picture.latents(), text.positive().get(picture.index())));
            if (text.negative() != null) {
                negative.add(negatives.of(picture.latents(), text.negative()));
            }
        }
        return new Conditions(pictures, positive, negative);
    }

    private static Conditions avoiding(Denoiser denoiser, Embeddings text, Nag nag, List<Picture> pictures) {
        PromptEmbeddings negative = Objects.requireNonNull(text.negative());
        Inputs inputs = new Inputs(denoiser, denoiser::captions, text.positives());
        Map<Integer, Caption> beside = new LinkedHashMap<>(); // one is enough for those of a length
        for (PromptEmbeddings each : text.positives()) {
            Caption caption = inputs.caption(each);
            beside.putIfAbsent(caption.length(), caption);
        }
        List<Caption> made =
                denoiser.avoidedCaptions(Collections.nCopies(beside.size(), negative), List.copyOf(beside.values()));
        Map<Integer, Avoided> avoided = new HashMap<>();
        int next = 0;
        for (int length : beside.keySet()) {
            avoided.put(length, Avoided.of(made.get(next++), nag));
        }
        List<TransformerInput> positive = new ArrayList<>();
        for (Picture picture : pictures) {
            TransformerInput input =
                    inputs.of(picture.latents(), text.positive().get(picture.index()));
            positive.add(new TransformerInput(
                    input.latents(),
                    input.caption(),
                    input.imageRotary(),
                    avoided.get(input.caption().length())));
        }
        return new Conditions(pictures, positive, List.of());
    }

    /** Returns for each picture what it shall show. */
    List<TransformerInput> positive() {
        return positive;
    }

    /**
     * Returns the pictures in groups that go through the transformer together.
     *
     * @param most how many pictures a group may have
     */
    List<Group> groups(int most) {
        List<Group> groups = new ArrayList<>();
        for (int first = 0; first < pictures.size(); first += most) {
            int end = Math.min(first + most, pictures.size());
            groups.add(new Group(
                    pictures.subList(first, end),
                    positive.subList(first, end),
                    negative.isEmpty() ? List.of() : negative.subList(first, end),
                    end == pictures.size()));
        }
        return groups;
    }

    /**
     * Some pictures.
     *
     * @param pictures the pictures
     * @param positive for each what it shall show
     * @param negative for each what it shall not show; empty without guidance by predictions
     * @param isLast whether it is the last group
     */
    record Group(
            List<Picture> pictures, List<TransformerInput> positive, List<TransformerInput> negative, boolean isLast) {}

    /** Makes inputs of which those with the same embeddings share what they can: all pictures have the same size. */
    private static final class Inputs {
        private final Denoiser denoiser;
        private final Map<PromptEmbeddings, Caption> captions = new HashMap<>();
        private final Map<PromptEmbeddings, RotaryEmbedding> rotary = new HashMap<>();

        Inputs(
                Denoiser denoiser,
                Function<List<PromptEmbeddings>, List<Caption>> captioner,
                List<PromptEmbeddings> distinct) {
            this.denoiser = denoiser;
            List<Caption> made = captioner.apply(distinct);
            for (int i = 0; i < distinct.size(); i++) {
                captions.put(distinct.get(i), made.get(i));
            }
        }

        Caption caption(PromptEmbeddings text) {
            return Objects.requireNonNull(captions.get(text));
        }

        TransformerInput of(Tensor latents, PromptEmbeddings text) {
            Caption caption = caption(text);
            RotaryEmbedding shared = rotary.computeIfAbsent(
                    text,
                    each -> denoiser.imageRotary(
                            Math.toIntExact(latents.size(1)), Math.toIntExact(latents.size(2)), caption));
            return new TransformerInput(latents, caption, shared);
        }
    }
}
