package io.github.zimage.cuda;

import io.github.zimage.ZImageException;
import java.nio.charset.StandardCharsets;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;

/** The driver of this machine, which must be loaded. */
final class PresetsDriver implements CudaDriver {
    private static final int NAME_LENGTH = 256;

    @Override
    public int initialise() {
        return cudart.cuInit(0);
    }

    @Override
    public int version() {
        int[] version = new int[1];
        check(cudart.cuDriverGetVersion(version), "cuDriverGetVersion");
        return version[0];
    }

    @Override
    public int cards() {
        int[] count = new int[1];
        check(cudart.cuDeviceGetCount(count), "cuDeviceGetCount");
        return count[0];
    }

    @Override
    public CudaCard card(int index) {
        int[] device = new int[1];
        check(cudart.cuDeviceGet(device, index), "cuDeviceGet");
        byte[] name = new byte[NAME_LENGTH];
        check(cudart.cuDeviceGetName(name, name.length, device[0]), "cuDeviceGetName");
        String text = new String(name, StandardCharsets.UTF_8);
        try (SizeTPointer bytes = new SizeTPointer(1)) {
            check(cudart.cuDeviceTotalMem(bytes, device[0]), "cuDeviceTotalMem");
            return new CudaCard(
                    index,
                    text.substring(0, Math.max(0, text.indexOf('\0'))),
                    10 * attribute(cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device[0])
                            + attribute(cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device[0]),
                    bytes.get());
        }
    }

    /** Returns how much of a card's memory is free. Begins to use the card, and ends that unless others use it. */
    static long freeBytes(int index) {
        int[] device = new int[1];
        check(cudart.cuDeviceGet(device, index), "cuDeviceGet");
        CUctx_st context = new CUctx_st();
        check(cudart.cuDevicePrimaryCtxRetain(context, device[0]), "cuDevicePrimaryCtxRetain");
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            check(cudart.cuCtxPushCurrent(context), "cuCtxPushCurrent");
            check(cudart.cuMemGetInfo(free, total), "cuMemGetInfo");
            check(cudart.cuCtxPopCurrent(new CUctx_st()), "cuCtxPopCurrent");
            return free.get();
        } finally {
            check(cudart.cuDevicePrimaryCtxRelease(device[0]), "cuDevicePrimaryCtxRelease");
        }
    }

    /** Returns whether addresses of a card can be given memory piece by piece. */
    static boolean mapsMemory(int index) {
        int[] device = new int[1];
        check(cudart.cuDeviceGet(device, index), "cuDeviceGet");
        return attribute(cudart.CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, device[0]) != 0;
    }

    private static int attribute(int attribute, int device) {
        int[] value = new int[1];
        check(cudart.cuDeviceGetAttribute(value, attribute, device), "cuDeviceGetAttribute");
        return value[0];
    }

    @Override
    public String describe(int error) {
        return text(error);
    }

    private static String text(int error) {
        try (PointerPointer<BytePointer> name = new PointerPointer<>(1)) {
            if (cudart.cuGetErrorName(error, name) != 0) {
                return "error " + error;
            }
            return "error %d, %s".formatted(error, name.get(BytePointer.class).getString());
        }
    }

    /** Throws if the driver says that a call failed. */
    static void check(int error, String call) {
        if (error != 0) {
            throw new ZImageException("CUDA failed: %s gave %s".formatted(call, text(error)));
        }
    }
}
