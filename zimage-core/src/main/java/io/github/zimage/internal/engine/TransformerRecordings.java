package io.github.zimage.internal.engine;

import io.github.zimage.Nag;
import io.github.zimage.internal.device.Recorder;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.internal.runtime.NativeErrors;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.transformer.Avoided;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.BlockNorms;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.StepModulation;
import io.github.zimage.internal.transformer.TransformerAdditions;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Replays the transformer's work instead of ordering its thousand operations anew: it is recorded for one picture of a size with a caption
 * of a length, the second time that such a picture comes. Several pictures are several replays, so what is drawn together does not matter.
 * The weights must stay where they are.
 *
 * <p>If something cannot be recorded, that is said once, and all goes on as without.
 */
final class TransformerRecordings implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TransformerRecordings.class);

    private final ZImageTransformer2DModel model;
    private final TensorPlace place;
    private final Recorder recorder;
    /** Null stands for a shape that has been rehearsed. */
    private final Map<Shape, @Nullable Recorded> shapes =
            new LinkedHashMap<>(2 * Workload.RECORDED_SHAPES, 0.75f, true);

    private @Nullable Step step;
    private boolean failed;

    /** Records nothing yet. Closes the recorder in the end. */
    TransformerRecordings(ZImageTransformer2DModel model, TensorPlace place, Recorder recorder) {
        this.model = model;
        this.place = place;
        this.recorder = recorder;
    }

    /**
     * As the model's, for weights that stay.
     *
     * @param passes what joins in, each of which can be recorded
     */
    List<Tensor> forward(
            List<TransformerInput> inputs,
            Function<TransformerInput, StepModulation> modulation,
            List<BlockHook.Pass> passes,
            Runnable cancellation) {
        List<Tensor> velocities = new ArrayList<>();
        for (TransformerInput input : inputs) {
            cancellation.run();
            velocities.add(velocity(input, modulation.apply(input), passes, cancellation));
        }
        return velocities;
    }

    private Tensor velocity(
            TransformerInput input, StepModulation modulation, List<BlockHook.Pass> passes, Runnable cancellation) {
        List<BlockHook.Recordable> joining = new ArrayList<>();
        passes.forEach(pass -> joining.add(Objects.requireNonNull(pass.recordable(input))));
        Shape shape = Shape.of(input, input.avoidedAt(modulation), joining);
        if (failed) {
            return eager(input, modulation, passes, cancellation);
        }
        if (!shapes.containsKey(shape)) {
            Tensor velocity = recorder.rehearse(() -> eager(input, modulation, passes, cancellation));
            shapes.put(shape, null);
            forgetEldest();
            return velocity;
        }
        try {
            return Tensors.scoped(() -> replayed(input, shape, modulation, joining));
        } catch (RuntimeException e) {
            failed = true;
            clear();
            LOG.warn(
                    "The transformer cannot be compiled for {}, and goes on without, with the same results but slower: {}",
                    shape,
                    NativeErrors.firstLine(NativeErrors.translate(e)),
                    e);
        }
        return eager(input, modulation, passes, cancellation);
    }

    private Tensor replayed(
            TransformerInput input, Shape shape, StepModulation modulation, List<BlockHook.Recordable> joining) {
        Step read = step;
        if (read == null) {
            read = new Step(modulation, place);
            step = read;
        }
        Recorded recorded = shapes.get(shape);
        if (recorded == null) {
            recorded = new Recorded(input, input.avoidedAt(modulation), joining, read);
            shapes.put(shape, recorded);
        }
        read.set(modulation);
        return recorded.replay(input, input.avoidedAt(modulation), joining);
    }

    private Tensor eager(
            TransformerInput input, StepModulation modulation, List<BlockHook.Pass> passes, Runnable cancellation) {
        return Tensors.scoped(() -> model.forward(List.of(input), each -> modulation, true, cancellation, passes)
                .get(0));
    }

    private void forgetEldest() {
        if (shapes.size() > Workload.RECORDED_SHAPES) {
            Iterator<@Nullable Recorded> eldest = shapes.values().iterator();
            close(eldest.next());
            eldest.remove();
        }
    }

    private static void close(@Nullable Recorded recorded) {
        if (recorded != null) {
            recorded.close();
        }
    }

    /** Gives back the memory of what was recorded with some additions, whose tensors will be freed. */
    void forget(TransformerAdditions additions) {
        shapes.entrySet().removeIf(each -> {
            boolean forgotten = each.getKey().additions().equals(additions);
            if (forgotten) {
                close(each.getValue());
            }
            return forgotten;
        });
    }

    /** Gives back the memory of all that was recorded. It is recorded again when it is needed. */
    void clear() {
        shapes.values().forEach(TransformerRecordings::close);
        shapes.clear();
        if (step != null) {
            step.close();
            step = null;
        }
    }

    @Override
    public void close() {
        clear();
        recorder.close();
    }

    /**
     * What the work depends on, beside the model.
     *
     * @param height of the latents
     * @param width of the latents
     * @param captionTokens how long the caption is, padding included
     * @param avoidedTokens how long that of what is avoided is; 0 if nothing is
     * @param nag how it is avoided
     * @param additions what adapters add, whose tensors are read where they lie
     * @param joining what the work that joins in depends on
     */
    private record Shape(
            long height,
            long width,
            long captionTokens,
            long avoidedTokens,
            Nag nag,
            TransformerAdditions additions,
            List<Object> joining) {
        static Shape of(TransformerInput input, @Nullable Avoided avoided, List<BlockHook.Recordable> joining) {
            return new Shape(
                    input.latents().size(1),
                    input.latents().size(2),
                    input.caption().length(),
                    avoided == null ? 0 : avoided.caption().length(),
                    avoided == null ? Nag.OFF : avoided.nag(),
                    input.caption().additions(),
                    joining.stream().map(BlockHook.Recordable::shape).toList());
        }

        @Override
        public String toString() {
            return "latents of %d x %d and a caption of %d tokens".formatted(width, height, captionTokens);
        }
    }

    /** What the timestep gives, where all that is recorded reads it: one row of all scales, and views of it. */
    private static final class Step implements AutoCloseable {
        /** What is recorded acts at the timesteps for which it is replayed: at this one all acts. */
        private static final float ANY_TIMESTEP = Float.NEGATIVE_INFINITY;

        private final Tensor row;
        private final StepModulation views;
        private final List<Tensor> kept = new ArrayList<>();
        private @Nullable StepModulation current;

        Step(StepModulation like, TensorPlace place) {
            long length = like.tensors().stream().mapToLong(Tensor::numel).sum();
            row = Tensors.keep(place.empty(ScalarType.Float, length));
            Iterator<Tensor> parts = parts(like).iterator();
            List<BlockNorms> blocks = new ArrayList<>();
            for (int i = 0; i < like.blocks().size(); i++) {
                blocks.add(new BlockNorms(parts.next(), parts.next(), parts.next(), parts.next()));
            }
            views = new StepModulation(ANY_TIMESTEP, blocks, parts.next());
        }

        private List<Tensor> parts(StepModulation like) {
            long first = 0;
            for (Tensor each : like.tensors()) {
                kept.add(Tensors.keep(row.narrow(0, first, each.numel())));
                first += each.numel();
            }
            return kept;
        }

        @SuppressWarnings("ReferenceEquality") // another step is another object, and may have the same tensors again
        void set(StepModulation modulation) {
            if (modulation != current) {
                try (PointerScope scope = new PointerScope()) {
                    torch.cat_out(row, new TensorVector(modulation.tensors().toArray(new Tensor[0])));
                }
                current = modulation;
            }
        }

        @Override
        public void close() {
            kept.forEach(Tensor::close);
            row.close();
        }
    }

    /** The work for a shape, and the tensors that it reads and writes. */
    private final class Recorded implements AutoCloseable {
        /** What is read, in the order of {@link #tensors}, and last what is written. */
        private final List<Tensor> own = new ArrayList<>();

        private final Recorder.Recording recording;

        /** Records the work. The tensors are only taken as examples. */
        Recorded(TransformerInput like, @Nullable Avoided avoided, List<BlockHook.Recordable> joining, Step shared) {
            try (PointerScope scope = new PointerScope()) {
                tensors(like, avoided, joining).forEach(each -> own.add(Tensors.keep(torch.empty_like(each))));
                own.add(Tensors.keep(torch.empty_like(like.latents())));
                TransformerAdditions additions = like.caption().additions();
                TransformerInput input = new TransformerInput(
                        own.get(0),
                        caption(3, additions),
                        new RotaryEmbedding(own.get(1), own.get(2)),
                        avoided == null
                                ? null
                                : new Avoided(caption(6, additions), avoided.nag(), avoided.lastTimestep()));
                List<BlockHook.Pass> passes = reading(joining);
                recording = recorder.record(() -> {
                    try (PointerScope work = new PointerScope()) {
                        written().copy_(eager(input, shared.views, passes, () -> {}));
                    }
                });
            } catch (RuntimeException e) {
                own.forEach(Tensor::close);
                throw e;
            }
        }

        private Tensor written() {
            return own.get(own.size() - 1);
        }

        private Caption caption(int first, TransformerAdditions additions) {
            return new Caption(own.get(first), new RotaryEmbedding(own.get(first + 1), own.get(first + 2)), additions);
        }

        /** Returns what joins in, reading what lies behind the rest of what is read. */
        private List<BlockHook.Pass> reading(List<BlockHook.Recordable> joining) {
            int end = own.size() - 1;
            int first =
                    end - joining.stream().mapToInt(each -> each.reads().size()).sum();
            List<BlockHook.Pass> passes = new ArrayList<>();
            for (BlockHook.Recordable each : joining) {
                int count = each.reads().size();
                passes.add(each.reading(List.copyOf(own.subList(first, first + count))));
                first += count;
            }
            return passes;
        }

        private static List<Tensor> tensors(
                TransformerInput input, @Nullable Avoided avoided, List<BlockHook.Recordable> joining) {
            List<Tensor> all = new ArrayList<>(List.of(
                    input.latents(),
                    input.imageRotary().query(),
                    input.imageRotary().key()));
            add(all, input.caption());
            if (avoided != null) {
                add(all, avoided.caption());
            }
            joining.forEach(each -> all.addAll(each.reads()));
            return all;
        }

        private static void add(List<Tensor> all, Caption caption) {
            all.addAll(List.of(
                    caption.context(),
                    caption.rotary().query(),
                    caption.rotary().key()));
        }

        Tensor replay(TransformerInput input, @Nullable Avoided avoided, List<BlockHook.Recordable> joining) {
            List<Tensor> given = tensors(input, avoided, joining);
            for (int i = 0; i < given.size(); i++) {
                own.get(i).copy_(given.get(i));
            }
            recording.replay();
            return written().clone();
        }

        @Override
        public void close() {
            recording.close();
            own.forEach(Tensor::close);
        }
    }
}
