package io.github.zimage.cuda;

import io.github.zimage.ZImageException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch_cuda;
import org.jspecify.annotations.Nullable;

/** Copies on a stream of their own. */
final class CudaCopies implements Copies<CUevent_st> {
    private final int device;
    private final CUstream_st stream;
    private final List<CUevent_st> events = new ArrayList<>();
    private final Deque<CUevent_st> free = new ArrayDeque<>();

    CudaCopies(int device) {
        this.device = device;
        select();
        stream = new CUstream_st();
        stream.retainReference();
        check(cudart.cudaStreamCreateWithFlags(stream, cudart.cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    }

    /** Which card is current belongs to the thread. */
    private void select() {
        check(cudart.cudaSetDevice(device), "cudaSetDevice");
    }

    @Override
    public @Nullable Pointer allocate(long bytes) {
        select();
        Pointer memory = new Pointer();
        int error = cudart.cudaHostAlloc(memory, bytes, cudart.cudaHostAllocPortable);
        if (error == cudart.cudaErrorMemoryAllocation) {
            cudart.cudaGetLastError(); // or LibTorch would take it for its own
            return null;
        }
        check(error, "cudaHostAlloc");
        return memory.retainReference();
    }

    @Override
    public void free(Pointer memory) {
        check(cudart.cudaFreeHost(memory), "cudaFreeHost");
        memory.close();
    }

    @Override
    public synchronized CUevent_st copy(@Nullable Pointer from, Pointer to, long bytes, @Nullable CUevent_st after) {
        select();
        if (after != null) {
            check(cudart.cudaStreamWaitEvent(stream, after, 0), "cudaStreamWaitEvent");
            free.push(after);
        }
        if (from != null) {
            check(cudart.cudaMemcpyAsync(to, from, bytes, cudart.cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
        }
        return recorded(stream);
    }

    @Override
    public synchronized void computeAfter(CUevent_st copied) {
        try (PointerScope scope = new PointerScope()) {
            check(cudart.cudaStreamWaitEvent(computing(), copied, 0), "cudaStreamWaitEvent");
        }
        free.push(copied);
    }

    @Override
    public synchronized CUevent_st computed() {
        try (PointerScope scope = new PointerScope()) {
            return recorded(computing());
        }
    }

    /** Null stands for the default stream. */
    private @Nullable CUstream_st computing() {
        return torch_cuda.getCurrentCUDAStream((byte) device).stream();
    }

    @Override
    public synchronized CUevent_st again(CUevent_st event) {
        check(cudart.cudaStreamWaitEvent(stream, event, 0), "cudaStreamWaitEvent");
        return recorded(stream);
    }

    private CUevent_st recorded(@Nullable CUstream_st on) {
        CUevent_st event = free.poll();
        if (event == null) {
            event = new CUevent_st();
            check(cudart.cudaEventCreateWithFlags(event, cudart.cudaEventDisableTiming), "cudaEventCreateWithFlags");
            event.retainReference();
            events.add(event);
        }
        check(cudart.cudaEventRecord(event, on), "cudaEventRecord");
        return event;
    }

    @Override
    public void await(CUevent_st event) {
        check(cudart.cudaEventSynchronize(event), "cudaEventSynchronize");
        synchronized (this) {
            free.push(event);
        }
    }

    @Override
    public void drain() {
        check(cudart.cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    }

    @Override
    public synchronized void close() {
        drain();
        for (CUevent_st event : events) {
            check(cudart.cudaEventDestroy(event), "cudaEventDestroy");
            event.close();
        }
        events.clear();
        free.clear();
        check(cudart.cudaStreamDestroy(stream), "cudaStreamDestroy");
        stream.close();
    }

    private static void check(int error, String call) {
        if (error != 0) {
            throw new ZImageException("CUDA failed: %s gave error %d, %s"
                    .formatted(call, error, cudart.cudaGetErrorString(error).getString()));
        }
    }
}
