package io.github.zimage.bench;

import java.util.HashMap;
import java.util.Map;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cupti.CUpti_ActivityKernel11;
import org.bytedeco.cuda.cupti.CUpti_BuffersCallbackCompleteFunc;
import org.bytedeco.cuda.cupti.CUpti_BuffersCallbackRequestFunc;
import org.bytedeco.cuda.global.cupti;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;

/** Notes the kernels that cards run, as CUPTI tells of them. */
final class KernelTrace {
    private static final int BUFFER_BYTES = 8 << 20;
    private static final Map<String, Total> TOTALS = new HashMap<>();
    /** CUPTI calls them on a thread of its own. */
    private static final Requested REQUESTED = new Requested();

    private static final Completed COMPLETED = new Completed();

    private KernelTrace() {}

    /**
     * What a kernel came to.
     *
     * @param calls how often it ran
     * @param nanos how long in all
     */
    record Total(int calls, long nanos) {
        Total plus(Total other) {
            return new Total(calls + other.calls, nanos + other.nanos);
        }

        Total minus(Total other) {
            return new Total(calls - other.calls, nanos - other.nanos);
        }
    }

    /**
     * Does work, which must wait for the cards in the end, and returns what ran on them meanwhile, by the kernels' names as the linker
     * has them.
     *
     * @throws IllegalStateException if CUPTI refuses
     */
    static synchronized Map<String, Total> of(Runnable work) {
        Loader.load(cupti.class);
        synchronized (TOTALS) {
            TOTALS.clear();
        }
        check(cupti.cuptiActivityRegisterCallbacks(REQUESTED, COMPLETED), "cuptiActivityRegisterCallbacks");
        check(cupti.cuptiActivityEnable(cupti.CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL), "cuptiActivityEnable");
        try {
            work.run();
            check(cupti.cuptiActivityFlushAll(cupti.CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "cuptiActivityFlushAll");
        } finally {
            cupti.cuptiActivityDisable(cupti.CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
        }
        synchronized (TOTALS) {
            return Map.copyOf(TOTALS);
        }
    }

    private static void check(int error, String call) {
        if (error != cupti.CUPTI_SUCCESS) {
            throw new IllegalStateException("CUPTI failed: %s gave error %d".formatted(call, error));
        }
    }

    private static final class Requested extends CUpti_BuffersCallbackRequestFunc {
        @Override
        @SuppressWarnings("rawtypes") // so it is declared
        public void call(PointerPointer buffer, SizeTPointer size, SizeTPointer mostRecords) {
            buffer.put(0, Pointer.malloc(BUFFER_BYTES));
            size.put(0, BUFFER_BYTES);
            mostRecords.put(0, 0); // as many as there is room for
        }
    }

    private static final class Completed extends CUpti_BuffersCallbackCompleteFunc {
        @Override
        public void call(CUctx_st context, int stream, BytePointer buffer, long size, long used) {
            try (PointerPointer<Pointer> record = new PointerPointer<>(1)) {
                record.put(0, (Pointer) null);
                while (cupti.cuptiActivityGetNextRecord(buffer, used, record) == cupti.CUPTI_SUCCESS) {
                    CUpti_ActivityKernel11 kernel = new CUpti_ActivityKernel11(record.get(0));
                    if (kernel.kind() == cupti.CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
                        Total one = new Total(1, kernel.end() - kernel.start());
                        synchronized (TOTALS) {
                            TOTALS.merge(kernel.name().getString(), one, Total::plus);
                        }
                    }
                }
            } finally {
                Pointer.free(buffer);
            }
        }
    }
}
