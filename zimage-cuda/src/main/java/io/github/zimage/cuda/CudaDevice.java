package io.github.zimage.cuda;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Recorder;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.placement.Device;
import io.github.zimage.spi.Attention;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.cuda.CUDAEvent;
import org.bytedeco.pytorch.cuda.DeviceStats;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.global.torch_cuda;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A card that a thread computes on. */
final class CudaDevice implements ComputeDevice {
    private static final Logger LOG = LoggerFactory.getLogger(CudaDevice.class);

    /** Memory of the machine that a card can read cannot be swapped out, so some is left. */
    private static final long LEFT_TO_OTHERS = 2L << 30;

    private static final long STAGED_BYTES = 32 << 20;

    /** Variables of the environment that LibTorch's allocator heeds. */
    static final List<String> ALLOCATOR_SETTINGS = List.of("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF");

    private static final int AMPERE = 80;
    private static final int HOPPER = 90;
    private static final int AFTER_HOPPER = 110;

    private final CudaCard card;
    private final byte index;
    private final StagedPlace<CUevent_st> place;
    private final Launcher launcher;
    private final long limit;

    CudaDevice(CudaCard card, OptionalLong limit) {
        NativeRuntime.load();
        Loader.load(torch_cuda.class);
        if (limit.isPresent() && PresetsDriver.mapsMemory(card.index())) {
            avoidGaps();
        }
        this.card = card;
        this.limit = limit.orElse(Long.MAX_VALUE);
        index = (byte) card.index();
        place = new StagedPlace<>(DeviceType.CUDA, card.index(), () -> new CudaCopies(card.index()), STAGED_BYTES);
        try (Guard guard = enter();
                PointerScope scope = new PointerScope()) {
            place.empty(ScalarType.Float, 1); // begins LibTorch's use of the card
            limit.ifPresent(this::allow);
            // FP32 means FP32: cuDNN would take 10 bits of each number.
            torch.globalContext().setAllowTF32CuDNN(false);
            launcher = tried(new KernelLauncher(card.capability()), place, card);
        }
    }

    /**
     * Lets LibTorch's allocator lengthen what it has taken from a card, in place of taking pieces with gaps between them, unless the
     * environment says how it works. It reads that before its first allocation, and never again.
     */
    static void avoidGaps() {
        if (ALLOCATOR_SETTINGS.stream().noneMatch(torch::has_env)) {
            torch.set_env(ALLOCATOR_SETTINGS.get(0), "expandable_segments:True");
        }
    }

    /**
     * Tries a kernel, so that a driver that refuses them is found out before a picture is begun.
     *
     * @return the launcher or, with a warning, one that has no kernels
     */
    static Launcher tried(Launcher candidate, TensorPlace place, CudaCard card) {
        if (!candidate.has("norm_scale")) {
            return candidate;
        }
        try {
            Tensor x = place.filled(2, 1, CudaKernels.VECTOR);
            Tensor one = place.filled(1, CudaKernels.VECTOR);
            Tensor out = CudaKernels.normScale(candidate, place, x, one, 0);
            if (out.eq(new Scalar(1)).all().item_bool()) {
                return candidate;
            }
            LOG.warn("zimage's kernels compute wrongly on {}; LibTorch's operators are used, which are slower", card);
        } catch (ZImageException e) {
            LOG.warn(
                    "zimage's kernels do not run on {} ({}); LibTorch's operators are used, which are slower",
                    card,
                    e.getMessage());
        }
        return Launcher.NONE;
    }

    @Override
    public Device device() {
        return Device.cuda(card.index());
    }

    @Override
    public TensorPlace place() {
        return place;
    }

    @Override
    public Attention attention(AttentionBackend wanted, Precision precision) {
        return attention(wanted, precision, card);
    }

    /** Returns what {@link #attention(AttentionBackend, Precision)} does on a card. */
    static Attention attention(AttentionBackend wanted, Precision precision, CudaCard card) {
        if (wanted.equals(AttentionBackend.AUTO)) {
            return prefersFlash3(card.capability(), precision)
                    ? FlashAttention3.load()
                    : automatic(card.capability(), precision);
        }
        if (wanted.name().equals(FlashAttention3.NAME)) {
            require(card.capability() / 10 == HOPPER / 10, wanted, card, "it is for compute capability 9.0");
            require(precision != Precision.FP32, wanted, card, "it does not compute in FP32");
            return FlashAttention3.load();
        }
        Attention backend = Stream.concat(CudaAttention.ALL.stream(), AttentionSelector.provided().stream())
                .filter(each -> each.name().equals(wanted.name()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "attention on cards must be one of %s, but was %s".formatted(names(), wanted.name())));
        if (backend.equals(CudaAttention.FLASH) || backend.equals(CudaAttention.CUDNN)) {
            require(card.capability() >= AMPERE, wanted, card, "it is for compute capability 8.0 and later");
            require(
                    precision != Precision.FP32,
                    wanted,
                    card,
                    "it does not compute in FP32; use mem_efficient or math");
        }
        return backend;
    }

    private static String names() {
        return Stream.of(
                        Stream.of(AttentionBackend.AUTO.name()),
                        new CudaAccelerator().attentionNames().stream(),
                        AttentionSelector.provided().stream().map(Attention::name))
                .flatMap(each -> each)
                .collect(Collectors.joining(", "));
    }

    private static void require(boolean condition, AttentionBackend wanted, CudaCard card, String why) {
        if (!condition) {
            throw new IllegalArgumentException(
                    "attention %s does not run on %s: %s".formatted(wanted.name(), card, why));
        }
    }

    /** Returns whether FlashAttention 3, which is faster than LibTorch's, was given and can run. */
    static boolean prefersFlash3(int capability, Precision precision) {
        return FlashAttention3.isGiven() && capability / 10 == HOPPER / 10 && precision != Precision.FP32;
    }

    /** Returns the fastest of LibTorch's that can run: cuDNN's where it was written for the card, which it is not for those of consumers. */
    static CudaAttention automatic(int capability, Precision precision) {
        if (precision == Precision.FP32 || capability < AMPERE) {
            return CudaAttention.MEM_EFFICIENT;
        }
        return capability >= HOPPER && capability < AFTER_HOPPER ? CudaAttention.CUDNN : CudaAttention.FLASH;
    }

    @Override
    public Kernels kernels(Attention attention, Precision precision) {
        int needed = precision == Precision.INT8 ? AMPERE : precision.bytes() == 1 ? HOPPER : 0;
        if (card.capability() < needed) {
            throw new IllegalArgumentException(
                    "precision %s needs compute capability %d.%d or later, and %s is not that; use %s"
                            .formatted(
                                    precision,
                                    needed / 10,
                                    needed % 10,
                                    card,
                                    card.capability() >= AMPERE ? "INT8 or BF16" : "BF16"));
        }
        return new CudaKernels(place, attention, precision, launcher);
    }

    @Override
    public BlockSource blockSource(WeightIndex weights, List<String> units, UnitLayout layout, boolean inMemory) {
        long keepBytes = inMemory ? MachineMemory.ofThisMachine().available().orElse(0) - LEFT_TO_OTHERS : 0;
        return new PinnedBlocks<>(new CudaCopies(card.index()), place, weights, units, layout, Math.max(0, keepBytes));
    }

    @Override
    public Recorder recorder() {
        return new CudaRecorder<>(new CudaCapture(card.index()));
    }

    @Override
    public Guard enter() {
        return enter(index);
    }

    /** Makes a card the current one, until the guard is closed. */
    static Guard enter(byte index) {
        byte before = torch_cuda.ExchangeDevice(index);
        return () -> torch_cuda.set_device(before);
    }

    @Override
    public Mark mark() {
        try (Guard guard = enter();
                PointerScope scope = new PointerScope()) {
            CUDAEvent event = new CUDAEvent(cudart.cudaEventDisableTiming);
            event.record(torch_cuda.getCurrentCUDAStream(index));
            event.retainReference();
            return () -> {
                try (event) {
                    event.synchronize();
                }
            };
        }
    }

    @Override
    public void synchronize() {
        try (Guard guard = enter()) {
            torch_cuda.device_synchronize();
        }
    }

    @Override
    public long freeBytes() {
        try (PointerScope scope = new PointerScope()) {
            long allocated = stats().allocated_bytes().current();
            long cached = stats().reserved_bytes().current() - allocated;
            return Math.max(0, Math.min(PresetsDriver.freeBytes(card.index()) + cached, limit - allocated));
        }
    }

    @Override
    public long allocatedBytes() {
        try (PointerScope scope = new PointerScope()) {
            return stats().allocated_bytes().current();
        }
    }

    @Override
    public long peakBytes() {
        try (PointerScope scope = new PointerScope()) {
            return stats().reserved_bytes().peak();
        }
    }

    private DeviceStats stats() {
        return torch_cuda.getAllocator().getDeviceStats(index);
    }

    @Override
    public void resetPeak() {
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().resetPeakStats(index);
        }
    }

    @Override
    public void emptyCache() {
        try (Guard guard = enter();
                PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().emptyCache();
        }
    }

    @Override
    public void tryConvolutions(boolean tries) {
        torch.globalContext().setBenchmarkCuDNN(tries);
    }

    @Override
    public void close() {
        synchronize();
        place.close();
        emptyCache();
        if (limit != Long.MAX_VALUE) {
            allow(card.bytes()); // the allocator is the process's, and whoever comes next may have no limit
        }
    }

    private void allow(long bytes) {
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().setMemoryFraction(Math.min(1, bytes / (double) card.bytes()), index);
        }
    }
}
