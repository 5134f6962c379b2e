package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.function.Supplier;

/** What a component's model is made with. Can be used as long as the model. */
public final class LoadContext {
    /** A picture goes through the VAE whole if that takes at most this share of the memory that is available then. */
    private static final double SHARE_FOR_PICTURE = 0.5;

    private final Component component;
    private final Checkpoint checkpoint;
    private final Supplier<EngineOptions> options;
    private final OpenDevices devices;

    LoadContext(Component component, Checkpoint checkpoint, Supplier<EngineOptions> options, OpenDevices devices) {
        this.component = component;
        this.checkpoint = checkpoint;
        this.options = options;
        this.devices = devices;
    }

    /** Returns configurations and weights. */
    public Checkpoint checkpoint() {
        return checkpoint;
    }

    /** Returns how is computed now; where memory runs short that changes. */
    public EngineOptions options() {
        return options.get();
    }

    /** Returns what the component computes on. */
    public ComputeDevice device() {
        return devices.of(component);
    }

    /** Returns what the component computes in. */
    public Precision precision() {
        return options().precision(component);
    }

    /** Returns whether pictures go in tiles: those that would take more than there is room for beside weights. */
    public TileChoice tiles() {
        return new TileChoice(options().vaeTiling(), this::roomForPicture);
    }

    private long roomForPicture() {
        return Math.min(options().limits().roomToDecode(), (long) (SHARE_FOR_PICTURE * device().freeBytes()));
    }

    /** Returns kernels for the component's precision. */
    public Kernels kernels() {
        return kernels(precision());
    }

    /** Returns kernels for another precision. */
    public Kernels kernels(Precision precision) {
        return devices.kernels(component, precision);
    }

    /** Returns how the component's weights stay in memory. */
    public Residence residence() {
        return options().residence(component);
    }

    /** Returns what makes a source of the component's blocks that come and go. */
    public BlockSource.Maker blockSource() {
        return devices.blockSource(component);
    }
}
