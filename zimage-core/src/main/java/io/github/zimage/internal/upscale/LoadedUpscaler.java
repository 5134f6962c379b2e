package io.github.zimage.internal.upscale;

import io.github.zimage.AttentionBackend;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import org.bytedeco.javacpp.PointerScope;

/** An upscaler with a device and a thread of its own. */
public final class LoadedUpscaler implements AutoCloseable {
    /** A picture may take this share of the memory that is available. */
    private static final double SHARE = 0.5;

    private final DeviceThread thread = new DeviceThread("zimage-upscaler");
    private final Opened opened;

    /** What belongs to the thread. */
    private record Opened(ComputeDevice device, WeightStore store, PictureUpscaler upscaler) {
        static Opened of(UpscalerFile file, Device device, Precision precision) {
            ComputeDevice computing = Devices.open(device, OptionalLong.empty());
            WeightStore store = new WeightStore(file.weights(), computing.place(), done -> {});
            try (ComputeDevice.Guard guard = computing.enter();
                    PointerScope scope = new PointerScope()) {
                Kernels kernels = computing.kernels(computing.attention(AttentionBackend.MATH, precision), precision);
                TileChoice tiles = new TileChoice(VaeTiling.auto(), () -> (long) (SHARE * computing.freeBytes()));
                return new Opened(computing, store, new PictureUpscaler(file.config(), store, kernels, tiles));
            } catch (RuntimeException | Error e) {
                store.close();
                computing.close();
                throw e;
            }
        }

        void close() {
            store.close();
            device.close();
        }
    }

    private LoadedUpscaler(UpscalerFile file, Device device, Precision precision) {
        try {
            opened = DeviceThread.await(thread.submit(() -> Opened.of(file, device, precision)));
        } catch (RuntimeException | Error e) {
            thread.end(() -> {});
            throw e;
        }
    }

    /**
     * Loads an upscaler. Blocks meanwhile.
     *
     * @throws IllegalArgumentException if the device cannot be used
     * @throws ModelLoadException if the file cannot be read
     */
    public static LoadedUpscaler load(Path file, Device device, Precision precision) {
        UpscalerFile read = UpscalerFile.read(file);
        NativeRuntime.load(); // by the caller, as pipelines do, not by a thread that ends with the upscaler
        return new LoadedUpscaler(read, device, precision);
    }

    /**
     * Enlarges a picture. Blocks until it is done.
     *
     * @throws IllegalArgumentException if the result would be too large
     * @throws GenerationCancelledException if the calling thread is interrupted
     */
    public Pixels upscale(Pixels picture) {
        opened.upscaler().requireSize(picture.width(), picture.height());
        CompletableFuture<Pixels> result = new CompletableFuture<>();
        thread.execute(result, () -> {
            try (ComputeDevice.Guard guard = opened.device().enter()) {
                return opened.upscaler().upscale(picture, () -> {
                    if (result.isDone()) {
                        throw new GenerationCancelledException("the waiting thread was interrupted");
                    }
                });
            }
        });
        return DeviceThread.await(result);
    }

    @Override
    public void close() {
        thread.close(opened::close);
    }
}
