package io.github.zimage.cuda;

import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Recorder;
import io.github.zimage.internal.runtime.TensorPlace;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.global.torch_cuda;

/**
 * Records with LibTorch's own allocator where there is no card, on a runtime of CUDA that only keeps account, {@code cudart.c}.
 * Protects what stand-ins in Java cannot show: that LibTorch takes the pool and the filter as they are passed, that what is recorded gets
 * memory that nothing else gets, and that this memory goes when the last recording does and no earlier.
 */
final class CaptureRehearsal {
    private static final long NUMBERS = 5 << 20;
    private static final TensorPlace CARD = new TensorPlace(DeviceType.CUDA, 0);

    private CaptureRehearsal() {}

    /** Ends with an error if something is wrong; the argument says what is tried. */
    public static void main(String[] args) {
        String way = args[0];
        Loader.load(torch_cuda.class);
        if (way.equals("without-gaps") || way.equals("own-settings")) {
            CudaDevice.avoidGaps();
        }
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().init(2);
            CudaRecorder<?, ?> recorder = new CudaRecorder<>(new CudaCapture(0));
            if (way.equals("failing")) {
                failing(recorder);
            } else if (way.equals("guards")) {
                guards();
            } else {
                recording(recorder);
            }
            recorder.close();
            require(
                    oneBehindTheOther() == way.equals("without-gaps"),
                    "memory is lengthened where that was asked for, and nowhere else");
            require(
                    torch_cuda.getCurrentCUDAStream((byte) 0).equals(torch_cuda.getDefaultCUDAStream((byte) 0)),
                    "the default stream is current again");
        }
        System.out.println("rehearsed " + way);
    }

    private static void guards() {
        try (ComputeDevice.Guard second = CudaDevice.enter((byte) 1)) {
            require(torch_cuda.current_device() == 1, "a card that is entered is current");
            try (ComputeDevice.Guard first = CudaDevice.enter((byte) 0)) {
                require(torch_cuda.current_device() == 0, "guards can be nested");
                throw new IllegalStateException("as is said");
            } catch (IllegalStateException e) {
                require(torch_cuda.current_device() == 1, "a failure restores the card before");
            }
        }
        require(torch_cuda.current_device() == 0, "and so does the end");
    }

    private static boolean oneBehindTheOther() {
        try (PointerScope scope = new PointerScope()) {
            long first = address();
            return address() - first == NUMBERS * Float.BYTES;
        }
    }

    private static void recording(Recorder recorder) {
        recorder.rehearse(CaptureRehearsal::allocated);
        Set<Long> recorded = new TreeSet<>();
        List<Recorder.Recording> recordings = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            recordings.add(recorder.record(() -> {
                recorded.add(allocated());
                recorded.add(allocated());
            }));
        }
        require(recorded.size() == 1, "what was freed is used again, also by the next recording");
        long pool = reserved();
        try (PointerScope others = new PointerScope()) {
            Set<Long> later = new TreeSet<>();
            for (int i = 0; i < 50; i++) {
                later.add(address());
                later.add(recorder.rehearse(CaptureRehearsal::address));
            }
            require(later.stream().noneMatch(recorded::contains), "nothing else gets what is recorded");
        }
        recordings.forEach(Recorder.Recording::replay);
        recordings.get(0).close();
        emptyCache();
        long withOne = reserved();
        require(withOne > 0 && withOne <= pool, "one recording keeps its memory");
        try {
            recorder.record(() -> {
                throw new IllegalStateException("as is said");
            });
            throw new AssertionError("no failure");
        } catch (IllegalStateException e) {
            require(e.getSuppressed().length == 0, "the capture was ended");
        }
        require(reserved() == withOne, "a failure leaves the pool to the others");
        recordings.get(1).close();
        emptyCache();
        require(reserved() == 0, "the last one gives the memory back");
    }

    private static void failing(Recorder recorder) {
        for (int i = 0; i < 3; i++) {
            try {
                recorder.record(CaptureRehearsal::allocated);
                throw new AssertionError("no failure");
            } catch (RuntimeException e) {
                require(e.getMessage().startsWith("CUDA failed: cudaStreamEndCapture"), e.getMessage());
            }
            emptyCache();
            require(reserved() == 0, "nothing is kept");
        }
    }

    private static long allocated() {
        try (PointerScope scope = new PointerScope()) {
            return address();
        }
    }

    private static long address() {
        return CARD.empty(ScalarType.Float, NUMBERS).data_ptr().address();
    }

    private static void emptyCache() {
        torch_cuda.getAllocator().emptyCache();
    }

    private static long reserved() {
        try (PointerScope scope = new PointerScope()) {
            return torch_cuda
                    .getAllocator()
                    .getDeviceStats((byte) 0)
                    .reserved_bytes()
                    .current();
        }
    }

    private static void require(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError("not so: " + what);
        }
    }
}
