package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.placement.Blocks;
import io.github.zimage.internal.placement.Blocks.Range;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * The way of control pictures through a ControlNet in one evaluation, as in {@code ZImageControlNetModel.forward}, block by block: each runs right
 * before the block of the transformer that its hint is added behind, so that one stream for each picture and control picture is all that is kept.
 *
 * <p>Where the noise refiner gets hints, they are added to the transformer's own stream, as VideoX-Fun does and the weights were trained, or to a copy
 * of it that only the ControlNet sees, as diffusers does.
 */
final class ControlPass implements BlockHook.Pass {
    private final ZImageControlNetModel model;
    private final ControlNetConfig config;
    private final Function<TransformerInput, Inputs> inputs;
    private final boolean runsAgain;
    private final Function<TransformerInput, BlockHook.@Nullable Recordable> recordable;
    private final IdentityHashMap<PictureStream, List<State>> states = new IdentityHashMap<>();
    private Blocks<ControlBlock>.@Nullable Pass blocks;
    private @Nullable ControlBlock current;
    private int next;

    /**
     * What is there for a picture.
     *
     * @param norms those of the ControlNet's blocks in this evaluation: a row of {@link ZImageControlNetModel#norms}
     * @param controls the control pictures
     */
    record Inputs(Tensor norms, List<Control> controls) {}

    /**
     * A control picture.
     *
     * @param start what {@link ZImageControlNetModel#start} gave
     * @param scale by how much its hints are multiplied, [1] fp32
     * @param apart whether its hints for the noise refiner go to a copy of the picture's stream
     */
    record Control(Tensor start, Tensor scale, boolean apart) {}

    /** A control picture between two blocks. What is held is kept. */
    private static final class State {
        final Control control;
        Tensor hidden;

        @Nullable
        Tensor companion;

        State(Control control, Tensor hidden, @Nullable Tensor companion) {
            this.control = control;
            this.hidden = Tensors.keep(hidden);
            this.companion = companion == null ? null : Tensors.keep(companion);
        }

        void replace(Tensor other) {
            close();
            hidden = Tensors.keep(other);
            companion = null;
        }

        void close() {
            hidden.close();
            if (companion != null) {
                companion.close();
            }
        }
    }

    /**
     * Runs nothing yet. Can run several times.
     *
     * @param inputs gives what is there for a picture
     * @param runsAgain whether another evaluation is expected to follow
     * @param recordable gives what can be replayed of it, or null
     */
    ControlPass(
            ZImageControlNetModel model,
            Function<TransformerInput, Inputs> inputs,
            boolean runsAgain,
            Function<TransformerInput, BlockHook.@Nullable Recordable> recordable) {
        this.model = model;
        this.config = model.config();
        this.inputs = inputs;
        this.runsAgain = runsAgain;
        this.recordable = recordable;
    }

    @Override
    public BlockHook.@Nullable Recordable recordable(TransformerInput picture) {
        return recordable.apply(picture);
    }

    @Override
    public void beforeRefiner(List<PictureStream> streams) {
        close();
        boolean joins = config.variant().hintsRefiner();
        for (PictureStream stream : streams) {
            List<State> own = new ArrayList<>();
            states.put(stream, own);
            for (Control control : inputs.apply(stream.input()).controls()) {
                Tensor hidden = joins
                        ? control.start().add(stream.hidden())
                        : control.start().clone();
                Tensor companion = joins && control.apart() ? stream.hidden().clone() : null;
                own.add(new State(control, hidden, companion));
                if (companion != null) {
                    stream.accompany(companion);
                }
            }
        }
        begin(config.variant().refinesWithLayers() || runsAgain);
        for (int i = 0; i < (joins ? 1 : config.refiners()); i++) {
            runNext();
        }
    }

    private void begin(boolean again) {
        Range all = new Range(0, model.blockCount());
        blocks = model.pass(all, again ? all : Range.NONE);
        next = 0;
    }

    /** Runs the next block on all streams. */
    private void runNext() {
        ControlBlock block = Objects.requireNonNull(blocks).next();
        for (Map.Entry<PictureStream, List<State>> each : states.entrySet()) {
            PictureStream stream = each.getKey();
            BlockNorms norms =
                    ControlModulations.norms(inputs.apply(stream.input()).norms(), next, model.blockCount());
            for (State state : each.getValue()) {
                block.forward(state.hidden, stream.rotary().first(state.hidden.size(0)), norms);
            }
        }
        current = block;
        next++;
    }

    @Override
    public void afterRefiner(int block, List<PictureStream> streams) {
        if (block >= config.refinerHints()) {
            return;
        }
        for (PictureStream stream : streams) {
            for (State state : states(stream)) {
                addHint(state, state.companion == null ? stream.hidden() : state.companion);
            }
        }
        boolean isLast = block + 1 == config.refinerHints();
        int refining = config.variant().refinesWithLayers() ? model.blockCount() : config.refiners();
        for (int end = isLast ? refining : next + 1; next < end; ) {
            runNext();
        }
        if (isLast && config.variant().refinesWithLayers()) {
            end();
            begin(runsAgain);
        }
    }

    private List<State> states(PictureStream stream) {
        return states.getOrDefault(stream, List.of());
    }

    private void addHint(State state, Tensor stream) {
        Objects.requireNonNull(current)
                .addHint(state.hidden, state.control.scale(), stream.narrow(0, 0, state.hidden.size(0)));
    }

    @Override
    public void beforeBlocks(List<PictureStream> streams) {
        for (PictureStream stream : streams) {
            Tensor caption = stream.input().caption().context();
            for (State state : states(stream)) {
                try (PointerScope scope = new PointerScope()) {
                    Tensor joined = model.joined(state.hidden, caption);
                    Tensor own = state.companion == null
                            ? stream.hidden().narrow(0, 0, joined.size(0))
                            : torch.cat(new TensorVector(state.companion, caption));
                    state.replace(joined.add(own));
                }
            }
        }
        runNext();
    }

    @Override
    public void afterBlock(int block, List<PictureStream> streams) {
        int place = config.places().indexOf(block);
        if (place < 0) {
            return;
        }
        for (PictureStream stream : streams) {
            for (State state : states(stream)) {
                addHint(state, stream.hidden());
            }
        }
        if (place + 1 < config.places().size()) {
            runNext();
        } else {
            close();
        }
    }

    private void end() {
        current = null;
        if (blocks != null) {
            blocks.close();
            blocks = null;
        }
    }

    /** Frees the streams; what follows begins anew. */
    @Override
    public void close() {
        end();
        states.values().forEach(all -> all.forEach(State::close));
        states.clear();
    }
}
