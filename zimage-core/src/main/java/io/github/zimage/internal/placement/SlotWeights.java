package io.github.zimage.internal.placement;

import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** The weights in a slot, as views of it. */
public final class SlotWeights implements TensorSource, AutoCloseable {
    private final TensorPlace place;
    private final UnitLayout layout;
    private final String prefix;
    private final Tensor slot;
    private final List<Tensor> owned = new ArrayList<>();

    /**
     * Creates a source of views.
     *
     * @param unit the block by whose name the weights are asked for
     * @param slot the slot's bytes, which stay as long as the views are used
     */
    public SlotWeights(TensorPlace place, UnitLayout layout, String unit, Tensor slot) {
        this.place = place;
        this.layout = layout;
        this.prefix = unit + ".";
        this.slot = slot;
    }

    private UnitLayout.Part part(String name, ScalarType type) {
        UnitLayout.Part part = part(name);
        if (WeightStore.storageType(type) != part.type()) {
            throw new IllegalArgumentException("%s is %s in the layout, not %s".formatted(name, part.type(), type));
        }
        return part;
    }

    private UnitLayout.Part part(String name) {
        return layout.part(name.substring(prefix.length()));
    }

    @Override
    public Tensor get(String name, ScalarType type) {
        UnitLayout.Part part = part(name, type);
        return view(part.offset(), part.byteSize(), type, part.shape());
    }

    @Override
    public @Nullable Tensor joined(List<String> names, ScalarType type) {
        UnitLayout.Part first = part(names.get(0), type);
        long rows = 0;
        long bytes = 0;
        for (String name : names) {
            UnitLayout.Part part = part(name, type);
            if (part.offset() != first.offset() + bytes || part.shape().size() != 2) {
                return null;
            }
            rows += part.shape().get(0);
            bytes += part.byteSize();
        }
        return view(first.offset(), bytes, type, List.of(rows, first.shape().get(1)));
    }

    @Override
    public Rounded rounded(String name, boolean turned) {
        return new Rounded(get(name, ScalarType.Char), get(RowRounding.scales(name), ScalarType.Float));
    }

    @Override
    public void readMatrix(String name, MatrixRows consumer) {
        throw new IllegalStateException(
                "%s is made into 8-bit numbers when it is loaded: it cannot be streamed".formatted(name));
    }

    private Tensor view(long offset, long bytes, ScalarType type, List<Long> shape) {
        try (PointerScope scope = new PointerScope()) {
            long[] sizes = shape.stream().mapToLong(Long::longValue).toArray();
            return own(slot.narrow(0, offset, bytes).view(type).view(sizes));
        }
    }

    @Override
    public Tensor own(Tensor tensor) {
        owned.add(Tensors.keep(tensor));
        return tensor;
    }

    @Override
    public List<Long> shape(String name) {
        return part(name).shape();
    }

    @Override
    public TensorPlace place() {
        return place;
    }

    /** Frees the views, and what was made of them. */
    @Override
    public void close() {
        owned.forEach(Tensor::close);
        owned.clear();
    }
}
