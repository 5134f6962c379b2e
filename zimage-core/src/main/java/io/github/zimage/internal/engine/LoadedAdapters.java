package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.lora.AdapterTensors;
import io.github.zimage.internal.lora.AdapterUse;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.text.TextAdditions;
import io.github.zimage.internal.transformer.TransformerAdditions;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the adapters of requests add to the models, in memory beside them. What the latest request had stays, so that the next one with the same
 * adapters at the same weights waits for nothing; what it did not have goes when others come.
 */
final class LoadedAdapters implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LoadedAdapters.class);

    private final Checkpoint checkpoint;
    private final Map<List<AdapterUse>, Held<TextAdditions>> text = new HashMap<>();
    private final Map<List<AdapterUse>, Held<TransformerAdditions>> transformer = new HashMap<>();

    /** Tensors, and the store that they belong to. */
    private record Held<A>(WeightStore store, A additions) {}

    LoadedAdapters(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    /** Returns those that do something to a component. */
    static List<AdapterUse> of(List<AdapterUse> uses, Component component) {
        return uses.stream()
                .filter(each -> each.weight() != 0 && each.adapter().changes(component))
                .toList();
    }

    /** Returns what adapters add to the text encoder; can be used until it is asked for with others that are kept. */
    TextAdditions text(List<AdapterUse> uses, Qwen3Model model, TensorPlace place) {
        return uses.isEmpty()
                ? TextAdditions.NONE
                : loaded(text, uses, Component.TEXT_ENCODER, place, model::additions);
    }

    /** Returns what adapters add to the transformer; can be used until {@link #keepTransformer} leaves them out. */
    TransformerAdditions transformer(List<AdapterUse> uses, ZImageTransformer2DModel model, TensorPlace place) {
        return uses.isEmpty()
                ? TransformerAdditions.NONE
                : loaded(transformer, uses, Component.TRANSFORMER, place, model::additions);
    }

    private <A> A loaded(
            Map<List<AdapterUse>, Held<A>> known,
            List<AdapterUse> uses,
            Component component,
            TensorPlace place,
            Function<WeightStore, A> maker) {
        Held<A> held = known.get(uses);
        if (held == null) {
            long begun = System.nanoTime();
            WeightIndex index = AdapterTensors.of(
                    uses, component, checkpoint.weights(component), weight -> stored(component, weight));
            held = load(new WeightStore(index, place, done -> {}), maker);
            known.put(uses, held);
            LOG.debug(
                    "{} adapters beside the {}, {} tensors computed in FP32 sums, loaded in {} ms",
                    uses.size(),
                    component,
                    index.tensors().size(),
                    (System.nanoTime() - begun) / 1_000_000);
        }
        return held.additions();
    }

    private static <A> Held<A> load(WeightStore store, Function<WeightStore, A> maker) {
        try (PointerScope scope = new PointerScope()) {
            return new Held<>(store, maker.apply(store));
        } catch (RuntimeException | Error e) {
            store.close();
            throw e;
        }
    }

    /** Returns a weight as the checkpoint has it, if it was converted to 8-bit integers. */
    private TensorEntry stored(Component component, TensorEntry weight) {
        if (weight.type().isSupportedWeight()) {
            return weight;
        }
        WeightIndex files = checkpoint.files(component);
        return files.get(files.has(weight.name()) ? weight.name() : "model." + weight.name());
    }

    /** Lets go of what the text encoder's latest adapters leave out. */
    void keepText(Collection<List<AdapterUse>> wanted) {
        keep(text, wanted, additions -> {});
    }

    /**
     * Lets go of what the transformer's latest adapters leave out.
     *
     * @param gone hears of each before it is freed
     */
    void keepTransformer(Collection<List<AdapterUse>> wanted, Consumer<TransformerAdditions> gone) {
        keep(transformer, wanted, gone);
    }

    private static <A> void keep(
            Map<List<AdapterUse>, Held<A>> held, Collection<List<AdapterUse>> wanted, Consumer<A> gone) {
        held.entrySet().removeIf(each -> {
            boolean leaves = !wanted.contains(each.getKey());
            if (leaves) {
                gone.accept(each.getValue().additions());
                each.getValue().store().close();
            }
            return leaves;
        });
    }

    /** Frees all. */
    @Override
    public void close() {
        text.values().forEach(each -> each.store().close());
        text.clear();
        transformer.values().forEach(each -> each.store().close());
        transformer.clear();
    }
}
