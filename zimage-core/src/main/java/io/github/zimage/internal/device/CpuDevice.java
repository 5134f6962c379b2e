package io.github.zimage.internal.device;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.nn.Int8Probe;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.placement.Device;
import io.github.zimage.spi.Attention;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.jspecify.annotations.Nullable;

/** The processor. What is ordered is done when the order returns; memory is the system's affair. */
public final class CpuDevice implements ComputeDevice {
    @Override
    public Device device() {
        return Device.cpu();
    }

    @Override
    public TensorPlace place() {
        return TensorPlace.CPU;
    }

    @Override
    public Attention attention(AttentionBackend wanted, Precision precision) {
        return AttentionSelector.select(wanted, precision);
    }

    @Override
    public Kernels kernels(Attention attention, Precision precision) {
        if (precision == Precision.INT8) {
            try (PointerScope scope = new PointerScope()) {
                Int8Probe.require();
            }
        }
        return new CpuKernels(attention, precision);
    }

    @Override
    public BlockSource blockSource(WeightIndex index, List<String> units, UnitLayout layout, boolean inMemory) {
        return BlockSource.files(index, units, layout);
    }

    @Override
    public @Nullable Recorder recorder() {
        return null;
    }

    @Override
    public Guard enter() {
        return () -> {};
    }

    @Override
    public Mark mark() {
        return () -> {};
    }

    @Override
    public void synchronize() {}

    @Override
    public long freeBytes() {
        return MachineMemory.ofThisMachine().available().orElse(Long.MAX_VALUE);
    }

    @Override
    public long allocatedBytes() {
        return 0;
    }

    @Override
    public long peakBytes() {
        return 0;
    }

    @Override
    public void resetPeak() {}

    @Override
    public void emptyCache() {}

    @Override
    public void tryConvolutions(boolean tries) {}

    @Override
    public void close() {}
}
