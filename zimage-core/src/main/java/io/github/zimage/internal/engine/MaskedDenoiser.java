package io.github.zimage.internal.engine;

import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.TransformerInput;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Leaves out whole evaluations that are known before, so that no weights come for them and what is computed can be recorded. Their velocities are
 * extrapolated in the noise level from the two computed before them (TaylorSeer, arXiv 2503.06923, to first order), for each picture and each of
 * its captions alone.
 */
final class MaskedDenoiser implements Denoiser {
    private final Denoiser computing;
    private final Set<Evaluation> computed;
    /** By input, which is the same object in all evaluations. */
    private final IdentityHashMap<TransformerInput, History> histories = new IdentityHashMap<>();

    /**
     * Computes nothing yet.
     *
     * @param computing is asked for what is computed, and is closed with this
     * @param computed which evaluations are, the first among them
     */
    MaskedDenoiser(Denoiser computing, List<Evaluation> computed) {
        this.computing = computing;
        this.computed = new HashSet<>(computed);
    }

    @Override
    public List<Caption> captions(List<PromptEmbeddings> prompts) {
        return computing.captions(prompts);
    }

    @Override
    public List<Caption> negativeCaptions(List<PromptEmbeddings> prompts) {
        return computing.negativeCaptions(prompts);
    }

    @Override
    public boolean adaptsNegatives() {
        return computing.adaptsNegatives();
    }

    @Override
    public List<Caption> avoidedCaptions(List<PromptEmbeddings> prompts, List<Caption> beside) {
        return computing.avoidedCaptions(prompts, beside);
    }

    @Override
    public RotaryEmbedding imageRotary(int latentHeight, int latentWidth, Caption caption) {
        return computing.imageRotary(latentHeight, latentWidth, caption);
    }

    @Override
    public void prepare() {
        computing.prepare();
    }

    @Override
    public List<Tensor> velocities(List<TransformerInput> pictures, Evaluation at, boolean last) {
        if (computed.contains(at)) {
            List<Tensor> velocities = computing.velocities(pictures, at, last);
            for (int i = 0; i < pictures.size(); i++) {
                histories
                        .computeIfAbsent(pictures.get(i), each -> new History())
                        .add(pictures.get(i), at, velocities.get(i));
            }
            return velocities;
        }
        List<Tensor> velocities = new ArrayList<>();
        for (TransformerInput each : pictures) {
            History history = Objects.requireNonNull(histories.get(each), "the first evaluation must be computed");
            velocities.add(Tensors.scoped(() -> history.extrapolated(at.sigma())));
        }
        return velocities;
    }

    @Override
    public int leftOut(TransformerInput picture) {
        History history = histories.get(picture);
        return computing.leftOut(picture) + (history == null ? 0 : history.leftOut);
    }

    @Override
    public void close() {
        try {
            histories.values().forEach(History::close);
        } finally {
            computing.close();
        }
    }

    /** The last two velocities of an input, at different noise levels. */
    private static final class History implements AutoCloseable {
        private @Nullable Tensor latest;
        private @Nullable Tensor before;
        private double latestSigma;
        private double beforeSigma;
        private boolean avoiding;
        private int leftOut;

        /** Takes a velocity. One that avoids something says nothing of how those change that do not. */
        void add(TransformerInput input, Evaluation at, Tensor velocity) {
            boolean avoids = input.avoided() != null && input.avoided().actsAt(at.timestep());
            if (latest != null && at.sigma() != latestSigma) {
                Tensor reused = before;
                before = latest;
                beforeSigma = latestSigma;
                latest = reused;
            }
            if (avoids != avoiding && before != null) {
                before.close();
                before = null;
            }
            avoiding = avoids;
            latestSigma = at.sigma();
            if (latest == null) {
                latest = Tensors.keep(velocity.clone());
            } else {
                latest.copy_(velocity);
            }
        }

        /** Returns what the velocity is taken to be at another level. */
        Tensor extrapolated(double sigma) {
            leftOut++;
            Tensor from = Objects.requireNonNull(latest);
            return before == null
                    ? from.clone()
                    : from.add(from.sub(before), new Scalar((sigma - latestSigma) / (latestSigma - beforeSigma)));
        }

        @Override
        public void close() {
            if (latest != null) {
                latest.close();
            }
            if (before != null) {
                before.close();
            }
        }
    }
}
