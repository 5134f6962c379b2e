package io.github.zimage.internal.engine;

import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.TransformerInput;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Replays what was recorded of the transformer, and of the hooks that join in. Where one of them cannot be recorded, operations are ordered one by
 * one.
 */
final class RecordedDenoiser implements Denoiser {
    private static final Logger LOG = LoggerFactory.getLogger(RecordedDenoiser.class);

    private final EagerDenoiser eager;
    private final TransformerRecordings recordings;
    private final Runnable cancellation;
    private boolean told;

    /**
     * Records nothing yet.
     *
     * @param eager closed with this
     * @param recordings those of the transformer, which stay
     */
    RecordedDenoiser(EagerDenoiser eager, TransformerRecordings recordings, Runnable cancellation) {
        this.eager = eager;
        this.recordings = recordings;
        this.cancellation = cancellation;
    }

    @Override
    public List<Caption> captions(List<PromptEmbeddings> prompts) {
        return eager.captions(prompts);
    }

    @Override
    public List<Caption> negativeCaptions(List<PromptEmbeddings> prompts) {
        return eager.negativeCaptions(prompts);
    }

    @Override
    public List<Caption> avoidedCaptions(List<PromptEmbeddings> prompts, List<Caption> beside) {
        return eager.avoidedCaptions(prompts, beside);
    }

    @Override
    public boolean adaptsNegatives() {
        return eager.adaptsNegatives();
    }

    @Override
    public RotaryEmbedding imageRotary(int latentHeight, int latentWidth, Caption caption) {
        return eager.imageRotary(latentHeight, latentWidth, caption);
    }

    @Override
    public void prepare() {
        eager.prepare();
    }

    @Override
    public List<Tensor> velocities(List<TransformerInput> pictures, Evaluation at, boolean last) {
        List<BlockHook.Pass> passes = eager.passes(pictures, at);
        if (passes.stream().allMatch(pass -> pictures.stream().allMatch(each -> pass.recordable(each) != null))) {
            try {
                return recordings.forward(pictures, picture -> eager.modulation(picture, at), passes, cancellation);
            } finally {
                passes.forEach(BlockHook.Pass::close);
            }
        }
        if (!told) {
            told = true;
            LOG.debug(
                    "Something joins in between the blocks from step {} on that cannot be recorded: those are not replayed",
                    at.step().number());
        }
        return eager.forward(pictures, at, last, passes);
    }

    @Override
    public int leftOut(TransformerInput picture) {
        return eager.leftOut(picture);
    }

    @Override
    public void close() {
        eager.close();
    }
}
