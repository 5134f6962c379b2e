package io.github.zimage.internal.engine;

import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.CaptionText;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.StepModulation;
import io.github.zimage.internal.transformer.TransformerAdditions;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;

/** Orders the transformer's operations one by one, block by block, with all that is attached to it. */
final class EagerDenoiser implements Denoiser {
    private final Lease<ZImageTransformer2DModel> lease;
    private final ZImageTransformer2DModel transformer;
    private final TensorPlace place;
    private final List<Evaluation> evaluations;
    private final Runnable cancellation;
    private final List<BlockHook> hooks = new ArrayList<>();
    private final TransformerAdditions positive;
    private final TransformerAdditions negative;
    /** By timestep, since several evaluations may have the same, for each of the additions. */
    private final Map<TransformerAdditions, Map<Float, StepModulation>> modulations = new LinkedHashMap<>();

    /**
     * Computes nothing yet.
     *
     * @param lease ends with this
     * @param place where the transformer's tensors lie
     * @param positive what adapters add for what pictures shall show
     * @param negative what they add for what pictures shall not show
     * @param cancellation called before each block; throws to cancel
     */
    EagerDenoiser(
            Lease<ZImageTransformer2DModel> lease,
            TensorPlace place,
            List<Evaluation> evaluations,
            TransformerAdditions positive,
            TransformerAdditions negative,
            Runnable cancellation) {
        this.lease = lease;
        transformer = lease.model();
        this.place = place;
        this.evaluations = evaluations;
        this.positive = positive;
        this.negative = negative;
        this.cancellation = cancellation;
    }

    /** Lets a hook join in, behind those that do already. It is closed with this. */
    void attach(BlockHook hook) {
        hooks.add(hook);
    }

    @Override
    public List<Caption> captions(List<PromptEmbeddings> prompts) {
        return captions(prompts, positive);
    }

    @Override
    public List<Caption> negativeCaptions(List<PromptEmbeddings> prompts) {
        return captions(prompts, negative);
    }

    @Override
    public boolean adaptsNegatives() {
        return !negative.equals(positive);
    }

    private List<Caption> captions(List<PromptEmbeddings> prompts, TransformerAdditions additions) {
        return transformer.captions(prompts.stream().map(this::tensor).toList(), additions, cancellation);
    }

    /** Those for what pictures shall show: both go through the blocks together. */
    @Override
    public List<Caption> avoidedCaptions(List<PromptEmbeddings> prompts, List<Caption> beside) {
        List<CaptionText> texts = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            texts.add(new CaptionText(tensor(prompts.get(i)), beside.get(i).length()));
        }
        return transformer.captions(texts, cancellation, positive);
    }

    private Tensor tensor(PromptEmbeddings prompt) {
        return place.of(prompt.values(), prompt.tokens(), prompt.features());
    }

    @Override
    public RotaryEmbedding imageRotary(int latentHeight, int latentWidth, Caption caption) {
        return transformer.imageRotary(latentHeight, latentWidth, caption);
    }

    @Override
    public void prepare() {
        modulations.put(positive, modulations(positive));
        if (adaptsNegatives()) {
            modulations.put(negative, modulations(negative));
        }
    }

    private Map<Float, StepModulation> modulations(TransformerAdditions additions) {
        Map<Float, StepModulation> byTimestep = new LinkedHashMap<>();
        evaluations.forEach(each -> byTimestep.put(each.timestep(), null));
        float[] timesteps = new float[byTimestep.size()];
        int count = 0;
        for (float timestep : byTimestep.keySet()) {
            timesteps[count++] = timestep;
        }
        List<StepModulation> made = transformer.modulations(timesteps, additions);
        for (int i = 0; i < timesteps.length; i++) {
            byTimestep.put(timesteps[i], made.get(i));
        }
        return byTimestep;
    }

    /** Returns what an evaluation's timestep gave for a picture. */
    StepModulation modulation(TransformerInput picture, Evaluation at) {
        Map<Float, StepModulation> own = modulations.get(picture.caption().additions());
        return Objects.requireNonNull(own == null ? null : own.get(at.timestep()), "prepare() comes first");
    }

    /** Asks all hooks for what they do in an evaluation; empty if none does anything. What comes is closed by {@link #forward}. */
    List<BlockHook.Pass> passes(List<TransformerInput> pictures, Evaluation at) {
        if (hooks.isEmpty()) {
            return List.of();
        }
        List<BlockHook.Pass> passes = new ArrayList<>();
        try {
            for (BlockHook hook : hooks) {
                BlockHook.Pass pass = hook.begin(at, pictures);
                if (pass != null) {
                    passes.add(pass);
                }
            }
        } catch (RuntimeException | Error e) {
            passes.forEach(BlockHook.Pass::close);
            throw e;
        }
        return passes;
    }

    @Override
    public List<Tensor> velocities(List<TransformerInput> pictures, Evaluation at, boolean last) {
        return forward(pictures, at, last, passes(pictures, at));
    }

    /** As {@link #velocities}, with what the hooks do. */
    List<Tensor> forward(List<TransformerInput> pictures, Evaluation at, boolean last, List<BlockHook.Pass> passes) {
        lease.requireUntouched();
        boolean runsAgain = !last || !at.equals(evaluations.get(evaluations.size() - 1));
        try {
            return transformer.forward(pictures, picture -> modulation(picture, at), runsAgain, cancellation, passes);
        } finally {
            passes.forEach(BlockHook.Pass::close);
        }
    }

    @Override
    public int leftOut(TransformerInput picture) {
        return hooks.stream().mapToInt(each -> each.leftOut(picture)).sum();
    }

    @Override
    public void close() {
        try {
            hooks.forEach(BlockHook::close);
        } finally {
            lease.close();
        }
    }
}
