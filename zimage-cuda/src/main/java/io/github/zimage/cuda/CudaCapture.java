package io.github.zimage.cuda;

import io.github.zimage.ZImageException;
import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.cuda.cudart.CUgraphExec_st;
import org.bytedeco.cuda.cudart.CUgraph_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.cuda.CUDAEvent;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.cuda.DeviceAssertionsDataVectorCUDAKernelLaunchInfoVectorPair;
import org.bytedeco.pytorch.cuda.StreamFilter;
import org.bytedeco.pytorch.global.torch_cuda;
import org.jspecify.annotations.Nullable;

/** The calls on a card, whose guard must be entered. Belongs to one thread. */
final class CudaCapture implements Capture<CUgraph_st, CUgraphExec_st> {
    /** LibTorch numbers its own pools from 1. */
    private static final AtomicLong POOLS = new AtomicLong(1L << 48);

    private final byte device;
    private final CUDAStream stream;
    private final Pool pool;
    private final StreamFilter filter;
    private @Nullable CUDAStream before;

    CudaCapture(int device) {
        this.device = (byte) device;
        try (PointerScope scope = new PointerScope()) {
            stream = torch_cuda.getStreamFromPool(false, this.device).retainReference();
            filter = new OwnStream(stream.stream().address()).retainReference();
            pool = new Pool(POOLS.getAndIncrement()).retainReference();
        }
    }

    /**
     * A pool's name. The presets have the wrong class for it, which they pass on as the two numbers that it is; memory of ours must not
     * be freed as that class would be.
     */
    static final class Pool extends DeviceAssertionsDataVectorCUDAKernelLaunchInfoVectorPair {
        private final LongPointer numbers;

        Pool(long number) {
            this(new LongPointer(number, 0));
        }

        private Pool(LongPointer numbers) {
            super(numbers);
            this.numbers = numbers.retainReference();
        }

        @Override
        public void close() {
            numbers.close();
        }
    }

    /** Says for each allocation whether it is for our stream. Other threads ask, too. */
    static final class OwnStream extends StreamFilter {
        private final long own;

        OwnStream(long own) {
            this.own = own;
        }

        @Override
        public boolean call(@Nullable Pointer asked) {
            return asked != null && asked.address() == own;
        }
    }

    @Override
    public void enter() {
        try (PointerScope scope = new PointerScope()) {
            CUDAStream current = torch_cuda.getCurrentCUDAStream(device).retainReference();
            before = current;
            follow(stream, current);
            torch_cuda.setCurrentCUDAStream(stream);
        }
    }

    @Override
    public void leave() {
        CUDAStream back = before;
        if (back == null) {
            return;
        }
        before = null;
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.setCurrentCUDAStream(back);
            follow(back, stream);
        } finally {
            back.close();
        }
    }

    /** Lets what is ordered on a stream from now on wait for what has been ordered on another. */
    private static void follow(CUDAStream later, CUDAStream earlier) {
        CUDAEvent event = new CUDAEvent(cudart.cudaEventDisableTiming);
        event.record(earlier);
        event.block(later);
    }

    @Override
    public void prepare() {
        torch_cuda.device_synchronize();
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().emptyCache();
        }
    }

    @Override
    public void beginPool() {
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().beginAllocateToPool(device, pool, filter);
        }
    }

    @Override
    public void endPool() {
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().endAllocateToPool(device, pool);
        }
    }

    @Override
    public void releasePool() {
        try (PointerScope scope = new PointerScope()) {
            torch_cuda.getAllocator().releasePool(device, pool);
        }
    }

    /** Other threads may go on allocating and waiting meanwhile. */
    @Override
    public void begin() {
        try (PointerScope scope = new PointerScope()) {
            check(
                    cudart.cudaStreamBeginCapture(stream.stream(), cudart.cudaStreamCaptureModeThreadLocal),
                    "cudaStreamBeginCapture");
        }
    }

    @Override
    public CUgraph_st end() {
        try (PointerScope scope = new PointerScope()) {
            CUgraph_st graph = new CUgraph_st();
            check(cudart.cudaStreamEndCapture(stream.stream(), graph), "cudaStreamEndCapture");
            return graph.retainReference();
        }
    }

    @Override
    public CUgraphExec_st instantiate(CUgraph_st captured) {
        try (PointerScope scope = new PointerScope()) {
            CUgraphExec_st executable = new CUgraphExec_st();
            check(
                    cudart.cudaGraphInstantiate(executable, captured, cudart.cudaGraphInstantiateFlagAutoFreeOnLaunch),
                    "cudaGraphInstantiate");
            return executable.retainReference();
        }
    }

    @Override
    public void destroyCaptured(CUgraph_st captured) {
        check(cudart.cudaGraphDestroy(captured), "cudaGraphDestroy");
        captured.close();
    }

    @Override
    public void launch(CUgraphExec_st executable) {
        try (PointerScope scope = new PointerScope()) {
            CUstream_st current = torch_cuda.getCurrentCUDAStream(device).stream();
            check(cudart.cudaGraphLaunch(executable, current), "cudaGraphLaunch");
        }
    }

    @Override
    public void destroy(CUgraphExec_st executable) {
        torch_cuda.device_synchronize();
        check(cudart.cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
        executable.close();
    }

    @Override
    public void close() {
        stream.close();
        filter.close();
        pool.close();
    }

    private static void check(int error, String call) {
        if (error != 0) {
            cudart.cudaGetLastError(); // or LibTorch would take it for its own
            throw new ZImageException("CUDA failed: %s gave error %d, %s"
                    .formatted(call, error, cudart.cudaGetErrorString(error).getString()));
        }
    }
}
