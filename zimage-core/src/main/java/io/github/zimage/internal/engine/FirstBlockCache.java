package io.github.zimage.internal.engine;

import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.PictureStream;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Leaves out all main blocks but the first where that one's residual r has changed little since the blocks were last computed, and adds what they
 * added then: FBCache of ParaAttention. The change is {@code mean |r - r_last| / mean |r_last|} over all tokens. With guidance, a picture's
 * evaluations for what it shall show and shall not are left out together, where each has changed little; pictures do not depend on each other.
 *
 * <p>The numbers are read after the first block, for which a GPU is waited for.
 */
public final class FirstBlockCache implements Attachment {
    private final double threshold;

    /**
     * Keeps nothing yet.
     *
     * @param threshold the change below which blocks are left out; at 0 none are
     */
    public FirstBlockCache(double threshold) {
        this.threshold = threshold;
    }

    @Override
    public BlockHook open(Session session, ZImageTransformer2DModel transformer, List<Evaluation> evaluations) {
        int steps = evaluations.get(0).step().count();
        int blocks = session.model().checkpoint().transformer().layers();
        return steps < StepCache.LEAST_STEPS || blocks < 2 ? (at, pictures) -> null : new Hook(blocks);
    }

    /** What is kept of an input. */
    private static final class Kept implements AutoCloseable {
        /** What the first block added when all were last computed, and what the others did; [S, dim] fp32. */
        private @Nullable Tensor first;

        private @Nullable Tensor rest;
        /** What came into the first block, then what came out of it, of the evaluation that runs. */
        private @Nullable Tensor running;

        private int leftOut;

        void run(Tensor hidden) {
            free(running);
            running = Tensors.keep(hidden.clone());
        }

        /** Returns the change of the first block's residual, [1] fp32, or null if there is nothing to compare it with. */
        @Nullable
        Tensor change(Tensor residual) {
            return first == null || rest == null || first.size(0) != residual.size(0)
                    ? null
                    : residual.sub(first).abs_().mean().div_(first.abs().mean()).view(1);
        }

        static void free(@Nullable Tensor tensor) {
            if (tensor != null) {
                tensor.close();
            }
        }

        @Override
        public void close() {
            free(first);
            free(rest);
            free(running);
        }
    }

    private final class Hook implements BlockHook {
        private final int blocks;
        /** By input, which is the same object in all evaluations. */
        private final IdentityHashMap<TransformerInput, Kept> kept = new IdentityHashMap<>();

        Hook(int blocks) {
            this.blocks = blocks;
        }

        @Override
        public Pass begin(Evaluation at, List<TransformerInput> pictures) {
            return new Pass() {
                @Override
                public void beforeBlocks(List<PictureStream> streams) {
                    streams.forEach(each -> of(each).run(each.hidden()));
                }

                @Override
                public void afterBlock(int block, List<PictureStream> streams) {
                    if (block == 0) {
                        decide(streams);
                    } else if (block == blocks - 1) {
                        streams.forEach(each -> keepRest(each));
                    }
                }
            };
        }

        private Kept of(PictureStream stream) {
            return kept.computeIfAbsent(stream.input(), input -> new Kept());
        }

        private void decide(List<PictureStream> streams) {
            List<Tensor> residuals = new ArrayList<>();
            streams.forEach(each -> residuals.add(each.hidden().sub(of(each).running)));
            boolean[] calm = calm(streams, residuals);
            for (int i = 0; i < streams.size(); i++) {
                PictureStream each = streams.get(i);
                Kept own = of(each);
                if (calm[i]) {
                    own.leftOut++;
                    each.hidden().add_(own.rest);
                    each.skipTo(blocks);
                } else {
                    Kept.free(own.first);
                    own.first = Tensors.keep(residuals.get(i));
                    own.run(each.hidden());
                }
            }
        }

        /** Returns for each stream whether all of its picture's have changed little. Those of a picture share its latents. */
        private boolean[] calm(List<PictureStream> streams, List<Tensor> residuals) {
            float[] changes = changes(streams, residuals);
            IdentityHashMap<Tensor, Boolean> pictures = new IdentityHashMap<>();
            for (int i = 0; i < changes.length; i++) {
                pictures.merge(streams.get(i).input().latents(), changes[i] < threshold, Boolean::logicalAnd);
            }
            boolean[] calm = new boolean[changes.length];
            for (int i = 0; i < calm.length; i++) {
                calm[i] =
                        Boolean.TRUE.equals(pictures.get(streams.get(i).input().latents()));
            }
            return calm;
        }

        /** Reads all changes at once; infinite where there is nothing to compare with. */
        private float[] changes(List<PictureStream> streams, List<Tensor> residuals) {
            TensorVector all = new TensorVector();
            for (int i = 0; i < residuals.size(); i++) {
                Tensor change = threshold > 0 ? of(streams.get(i)).change(residuals.get(i)) : null;
                all.push_back(
                        change == null
                                ? torch.full_like(
                                        residuals.get(i).view(-1).narrow(0, 0, 1), new Scalar(Double.POSITIVE_INFINITY))
                                : change);
            }
            return Tensors.toFloats(torch.cat(all));
        }

        private void keepRest(PictureStream stream) {
            Kept own = of(stream);
            Kept.free(own.rest);
            own.rest = Tensors.keep(stream.hidden().sub(own.running));
            Kept.free(own.running);
            own.running = null;
        }

        @Override
        public int leftOut(TransformerInput picture) {
            Kept own = kept.get(picture);
            return own == null ? 0 : own.leftOut;
        }

        @Override
        public void close() {
            kept.values().forEach(Kept::close);
            kept.clear();
        }
    }
}
