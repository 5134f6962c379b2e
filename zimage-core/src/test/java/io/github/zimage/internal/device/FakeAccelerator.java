package io.github.zimage.internal.device;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.nn.AtenKernels;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.placement.Device;
import io.github.zimage.spi.Attention;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Graphics cards that are really the processor, but are computed on as cards are: with operators for any device, through guards and
 * marks, with a memory of their own size.
 */
public final class FakeAccelerator implements Accelerator {
    /** How many cards there are; none: the driver is said to be missing. */
    public static volatile int cards = 1;

    public static volatile long bytes = 16L << 30;

    /** How often each card was entered, so that a test can tell where something was computed. */
    public static final Map<Integer, AtomicInteger> ENTERED = new ConcurrentHashMap<>();

    /** How many guards and devices are open. */
    public static final AtomicInteger GUARDS = new AtomicInteger();

    public static final AtomicInteger OPEN = new AtomicInteger();

    /** The most bytes that tensors may take, as it was last told. */
    public static volatile long limit;

    /** Whether convolutions may be tried, as it was last told. */
    public static volatile boolean triesConvolutions;

    /** Makes what records; null if cards cannot. */
    public static volatile @Nullable Supplier<Recorder> recorder;

    /** Makes the cards known while it is open, to the thread that opened it and to those that start from it. */
    public static AutoCloseable install(Path folder, int count) {
        try {
            Path services = Files.createDirectories(folder.resolve("META-INF/services"));
            Files.writeString(services.resolve(Accelerator.class.getName()), FakeAccelerator.class.getName());
            URL[] urls = {folder.toUri().toURL()};
            cards = count;
            bytes = 16L << 30;
            limit = 0;
            triesConvolutions = false;
            recorder = null;
            ENTERED.clear();
            ClassLoader before = Thread.currentThread().getContextClassLoader();
            URLClassLoader loader = new URLClassLoader(urls, before);
            Thread.currentThread().setContextClassLoader(loader);
            return () -> {
                Thread.currentThread().setContextClassLoader(before);
                loader.close();
            };
        } catch (MalformedURLException e) {
            throw new IllegalStateException(e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public Device.Kind kind() {
        return Device.Kind.CUDA;
    }

    @Override
    public List<String> attentionNames() {
        return List.of("cudnn", "mem_efficient", "_flash_3");
    }

    @Override
    public List<Precision> precisions() {
        return List.of(Precision.FP32, Precision.BF16);
    }

    @Override
    public Status status() {
        return cards == 0
                ? Status.unusable("the fake driver is not loaded", "install a driver")
                : Status.of(IntStream.range(0, cards)
                        .mapToObj(i -> new Card(Device.cuda(i), "Fake " + i, "9.0", bytes, bytes))
                        .toList());
    }

    @Override
    public ComputeDevice open(int index, OptionalLong most) {
        most.ifPresent(bytes -> limit = bytes);
        return new FakeDevice(index);
    }

    private static final class FakeDevice implements ComputeDevice {
        private final int index;

        FakeDevice(int index) {
            this.index = index;
            OPEN.incrementAndGet();
        }

        @Override
        public Device device() {
            return Device.cuda(index);
        }

        @Override
        public TensorPlace place() {
            return TensorPlace.CPU;
        }

        @Override
        public Attention attention(AttentionBackend wanted, Precision precision) {
            if (wanted.name().equals("_flash_3")) {
                throw new IllegalArgumentException(
                        "attention _flash_3 cannot run on cuda:0: its library was not named");
            }
            return AttentionSelector.select(AttentionBackend.SDPA, precision);
        }

        @Override
        public Kernels kernels(Attention attention, Precision precision) {
            return new AtenKernels(place(), attention, precision);
        }

        @Override
        public BlockSource blockSource(WeightIndex index, List<String> units, UnitLayout layout, boolean inMemory) {
            return BlockSource.files(index, units, layout);
        }

        @Override
        public @Nullable Recorder recorder() {
            return recorder == null ? null : recorder.get();
        }

        @Override
        public Guard enter() {
            GUARDS.incrementAndGet();
            ENTERED.computeIfAbsent(index, i -> new AtomicInteger()).incrementAndGet();
            return GUARDS::decrementAndGet;
        }

        @Override
        public Mark mark() {
            return () -> {};
        }

        @Override
        public void synchronize() {}

        @Override
        public long freeBytes() {
            return bytes;
        }

        @Override
        public long allocatedBytes() {
            return 1;
        }

        @Override
        public long peakBytes() {
            return 7L << 20;
        }

        @Override
        public void resetPeak() {}

        @Override
        public void emptyCache() {}

        @Override
        public void tryConvolutions(boolean tries) {
            triesConvolutions = tries;
        }

        @Override
        public void close() {
            OPEN.decrementAndGet();
        }
    }
}
