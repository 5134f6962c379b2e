package io.github.zimage.internal.engine;

import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.TransformerInput;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The transformer, leased for one schedule: velocities of pictures at its noise levels. Knows which evaluation follows which, so that weights
 * that come and go are on their way in time. No method waits for the device.
 */
public interface Denoiser extends AutoCloseable {
    /** Embeds and refines captions, which {@link #velocities} are expected to follow. Returns one for each. */
    List<Caption> captions(List<PromptEmbeddings> prompts);

    /** As {@link #captions}, of what pictures shall not show, where {@link #adaptsNegatives} says that other adapters are for that. */
    default List<Caption> negativeCaptions(List<PromptEmbeddings> prompts) {
        return captions(prompts);
    }

    /** Returns whether what pictures shall not show is computed with other adapters than what they shall. */
    default boolean adaptsNegatives() {
        return false;
    }

    /**
     * As {@link #captions}, of what pictures shall avoid by attention.
     *
     * @param beside for each the caption of what the picture shall show
     */
    List<Caption> avoidedCaptions(List<PromptEmbeddings> prompts, List<Caption> beside);

    /** Returns the rotary embedding of a picture's tokens behind a caption. */
    RotaryEmbedding imageRotary(int latentHeight, int latentWidth, Caption caption);

    /** Computes, once for all pictures, what depends on the noise levels alone. Called before {@link #velocities}. */
    void prepare();

    /**
     * Evaluates the transformer.
     *
     * @param pictures may be of different sizes; each goes through the blocks by itself
     * @param at one of the schedule's evaluations
     * @param last whether no further pictures are evaluated there
     * @return for each picture the velocity towards it, [C, h, w] fp32
     */
    List<Tensor> velocities(List<TransformerInput> pictures, Evaluation at, boolean last);

    /** Returns how many of its evaluations so far were not, or hardly, computed for a picture. */
    int leftOut(TransformerInput picture);

    /** Lets the transformer rest. */
    @Override
    void close();
}
