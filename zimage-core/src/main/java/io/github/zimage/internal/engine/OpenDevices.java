package io.github.zimage.internal.engine;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.placement.Device;
import io.github.zimage.spi.Attention;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import org.bytedeco.javacpp.PointerScope;

/** The devices that an engine computes on, and what computes on them. */
final class OpenDevices implements AutoCloseable {
    private final EngineOptions options;
    private final Map<Device, ComputeDevice> devices = new HashMap<>();
    private final Map<Use, Attention> attentions = new HashMap<>();

    OpenDevices(EngineOptions options) {
        this.options = options;
        try (PointerScope scope = new PointerScope()) {
            open(options.hardware().device());
            main().tryConvolutions(options.hardware().triesConvolutions());
            // The transformer's first: where the attention that was asked for cannot be used, that is the end.
            attention(Component.TRANSFORMER);
            for (Component component : Component.values()) {
                attention(component);
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private ComputeDevice open(Device device) {
        boolean planned = device.equals(options.hardware().device());
        return devices.computeIfAbsent(
                device, each -> Devices.open(each, planned ? options.hardware().limit() : OptionalLong.empty()));
    }

    /** Returns the device that the plan is for. */
    ComputeDevice main() {
        return open(options.hardware().device());
    }

    /** Returns what a component computes on. */
    ComputeDevice of(Component component) {
        return open(options.hardware().device(component));
    }

    /**
     * Returns how a component computes attention. What was asked for is meant for the transformer, and for what computes on the same
     * device in the same type. On the CPU, all backends compute in all types.
     */
    Attention attention(Component component) {
        Device device = options.hardware().device(component);
        boolean cpu = device.kind() == Device.Kind.CPU;
        Precision precision = options.precision(cpu ? Component.TRANSFORMER : component);
        Use use = new Use(device, precision == Precision.FP32);
        Use transformer = new Use(
                options.hardware().device(Component.TRANSFORMER),
                options.precision(Component.TRANSFORMER) == Precision.FP32);
        Attention known = attentions.get(use);
        if (known == null) {
            ComputeDevice opened = open(device);
            try (ComputeDevice.Guard guard = opened.enter()) {
                known = opened.attention(
                        use.equals(transformer) ? options.attention() : AttentionBackend.AUTO, precision);
            }
            attentions.put(use, known);
        }
        return known;
    }

    private record Use(Device device, boolean fp32) {}

    /** Returns a component's kernels of a precision. */
    Kernels kernels(Component component, Precision precision) {
        ComputeDevice device = of(component);
        try (ComputeDevice.Guard guard = device.enter()) {
            return device.kernels(attention(component), precision);
        }
    }

    /** Returns what makes a source of the blocks of a component that come and go. */
    BlockSource.Maker blockSource(Component component) {
        ComputeDevice device = of(component);
        boolean inMemory = options.hardware().inMemory().contains(component);
        return (index, units, layout) -> device.blockSource(index, units, layout, inMemory);
    }

    /** Gives back what the devices' allocators keep for later. */
    void emptyCaches() {
        devices.values().forEach(ComputeDevice::emptyCache);
    }

    @Override
    public void close() {
        devices.values().forEach(ComputeDevice::close);
        devices.clear();
    }
}
