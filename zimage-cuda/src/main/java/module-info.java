import org.jspecify.annotations.NullMarked;

/** Draws on NVIDIA cards, found by the core. */
@NullMarked
@SuppressWarnings("requires-automatic")
module io.github.zimage.cuda {
    requires io.github.zimage.core;
    requires org.bytedeco.cuda;
    requires com.fasterxml.jackson.databind;
    requires org.slf4j;
    requires static org.jspecify;

    provides io.github.zimage.internal.device.Accelerator with
            io.github.zimage.cuda.CudaAccelerator;
    provides io.github.zimage.internal.runtime.NativeLibraries with
            io.github.zimage.cuda.CudaNatives;
}
