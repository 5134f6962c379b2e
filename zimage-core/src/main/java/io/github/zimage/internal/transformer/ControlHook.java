package io.github.zimage.internal.transformer;

import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.Step;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** Lets pictures follow control pictures: adds the hints of a ControlNet to the transformer's streams, in the steps where they have a weight. */
public final class ControlHook implements BlockHook {
    private final ZImageControlNetModel model;
    private final ZImageTransformer2DModel base;
    private final TensorPlace place;
    private final List<Evaluation> evaluations;
    private final List<Float> timesteps;
    private final List<Guide> guides;
    private final boolean recordable;
    private final Runnable check;
    private final Runnable end;
    private final IdentityHashMap<TransformerAdditions, List<Tensor>> starts = new IdentityHashMap<>();
    private final Map<Double, Tensor> scales = new HashMap<>();

    /**
     * A control picture in all steps.
     *
     * @param latents [C, h, w] fp32, where the transformer's are
     * @param scale by how much its hints are multiplied in a step; where it is 0, nothing is computed
     * @param apart whether its hints for the noise refiner go to a copy of the picture's stream, as in diffusers
     */
    public record Guide(Tensor latents, ToDoubleFunction<Step> scale, boolean apart) {}

    /**
     * Computes nothing yet.
     *
     * @param place where the transformer's tensors lie
     * @param evaluations all that will be asked for, in order
     * @param recordable whether the weights stay where they are, so that work on them can be replayed
     * @param check called before each evaluation; throws if the weights cannot be used any more
     * @param end called when this is closed
     */
    public ControlHook(
            ZImageControlNetModel model,
            ZImageTransformer2DModel base,
            TensorPlace place,
            List<Evaluation> evaluations,
            List<Guide> guides,
            boolean recordable,
            Runnable check,
            Runnable end) {
        this.model = model;
        this.base = base;
        this.place = place;
        this.evaluations = List.copyOf(evaluations);
        this.timesteps =
                evaluations.stream().map(Evaluation::timestep).distinct().toList();
        this.guides = List.copyOf(guides);
        this.recordable = recordable;
        this.check = check;
        this.end = end;
    }

    @Override
    public @Nullable Pass begin(Evaluation at, List<TransformerInput> pictures) {
        if (!acts(at)) {
            return null;
        }
        check.run();
        IdentityHashMap<TransformerInput, ControlPass.Inputs> inputs = new IdentityHashMap<>();
        for (TransformerInput picture : pictures) {
            inputs.put(picture, inputs(at, picture.caption().additions()));
        }
        boolean runsAgain = evaluations.subList(evaluations.indexOf(at) + 1, evaluations.size()).stream()
                .anyMatch(this::acts);
        return new ControlPass(
                model, picture -> inputs(inputs, picture), runsAgain, picture -> recordable(inputs, picture));
    }

    private static ControlPass.Inputs inputs(
            IdentityHashMap<TransformerInput, ControlPass.Inputs> inputs, TransformerInput picture) {
        return Objects.requireNonNull(inputs.get(picture), "a picture that begin() did not get");
    }

    private @Nullable Recordable recordable(
            IdentityHashMap<TransformerInput, ControlPass.Inputs> inputs, TransformerInput picture) {
        return recordable ? new Replayed(inputs(inputs, picture)) : null;
    }

    private boolean acts(Evaluation at) {
        return guides.stream().anyMatch(each -> each.scale().applyAsDouble(at.step()) != 0);
    }

    private ControlPass.Inputs inputs(Evaluation at, TransformerAdditions additions) {
        Tensor norms = model.norms(timesteps, base, additions).select(0, timesteps.indexOf(at.timestep()));
        List<Tensor> own = starts.computeIfAbsent(additions, this::starts);
        List<ControlPass.Control> controls = new ArrayList<>();
        for (int i = 0; i < guides.size(); i++) {
            double scale = guides.get(i).scale().applyAsDouble(at.step());
            if (scale != 0) {
                controls.add(new ControlPass.Control(
                        own.get(i), scale(scale), guides.get(i).apart()));
            }
        }
        return new ControlPass.Inputs(norms, controls);
    }

    private List<Tensor> starts(TransformerAdditions additions) {
        List<Tensor> made = new ArrayList<>();
        try (PointerScope scope = new PointerScope()) {
            for (Guide guide : guides) {
                made.add(Tensors.keep(model.start(guide.latents(), base, additions)));
            }
        }
        return made;
    }

    private Tensor scale(double scale) {
        return scales.computeIfAbsent(scale, each -> Tensors.keep(place.filled(each, 1)));
    }

    @Override
    public void close() {
        starts.values().forEach(all -> all.forEach(Tensor::close));
        starts.clear();
        scales.values().forEach(Tensor::close);
        scales.clear();
        model.forgetAdapted();
        end.run();
    }

    /** The work on a picture, which reads norms, control pictures and their scales. */
    private final class Replayed implements Recordable {
        private final ControlPass.Inputs inputs;

        Replayed(ControlPass.Inputs inputs) {
            this.inputs = inputs;
        }

        /** For each control picture whether its hints for the noise refiner go to a copy. */
        @Override
        public Object shape() {
            return inputs.controls().stream().map(ControlPass.Control::apart).toList();
        }

        @Override
        public List<Tensor> reads() {
            return Stream.concat(
                            Stream.of(inputs.norms()),
                            inputs.controls().stream().flatMap(each -> Stream.of(each.start(), each.scale())))
                    .toList();
        }

        @Override
        public Pass reading(List<Tensor> own) {
            List<ControlPass.Control> controls = new ArrayList<>();
            for (int i = 0; i < inputs.controls().size(); i++) {
                controls.add(new ControlPass.Control(
                        own.get(1 + 2 * i),
                        own.get(2 + 2 * i),
                        inputs.controls().get(i).apart()));
            }
            ControlPass.Inputs read = new ControlPass.Inputs(own.get(0), controls);
            return new ControlPass(model, picture -> read, true, picture -> null);
        }
    }
}
