package io.github.zimage.cuda;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch_cuda;

/**
 * Launches kernels on the current card, in the order of what LibTorch does there. The driver translates a kernel for the card when it is
 * first launched, and keeps the translation on disk. Belongs to one thread.
 */
final class KernelLauncher implements Launcher {
    /** More must be asked for. */
    private static final int SHARED_BYTES_AT_HAND = 48 * 1024;

    private final KernelManifest manifest = new KernelManifest();
    private final Map<String, Loaded> loaded = new HashMap<>();
    private final int capability;

    /**
     * Loads nothing yet.
     *
     * @param capability that of the card that will be current
     */
    KernelLauncher(int capability) {
        this.capability = capability;
    }

    private record Loaded(
            Kernel kernel,
            CUfunc_st function,
            int sharedBytes,
            KernelArguments arguments,
            PointerPointer<Pointer> addresses) {}

    @Override
    public boolean has(String name) {
        Kernel kernel = manifest.kernels().get(name);
        return kernel != null && kernel.capabilityFor(capability) != 0;
    }

    @Override
    public void launch(String name, long gridX, long gridY, Consumer<KernelArguments> fill) {
        Loaded kernel = loaded.computeIfAbsent(name, this::load);
        fill.accept(kernel.arguments().clear());
        kernel.arguments().complete();
        try (PointerScope scope = new PointerScope()) {
            PresetsDriver.check(
                    cudart.cuLaunchKernel(
                            kernel.function(),
                            Math.toIntExact(gridX),
                            Math.toIntExact(gridY),
                            1,
                            kernel.kernel().threads(),
                            1,
                            1,
                            kernel.sharedBytes(),
                            torch_cuda.getCurrentCUDAStream().stream(),
                            kernel.addresses(),
                            (PointerPointer<?>) null),
                    "cuLaunchKernel of " + name);
        }
    }

    private Loaded load(String name) {
        Kernel kernel = manifest.kernels().get(name);
        int built = kernel == null ? 0 : kernel.capabilityFor(capability);
        if (kernel == null || built == 0) {
            throw new IllegalArgumentException("no kernel %s for compute capability %d".formatted(name, capability));
        }
        CUmod_st module = new CUmod_st();
        CUfunc_st function = new CUfunc_st();
        try (BytePointer ptx = new BytePointer(KernelManifest.ptx(kernel, built))) {
            PresetsDriver.check(cudart.cuModuleLoadData(module, ptx), "cuModuleLoadData of " + kernel.file(built));
        }
        PresetsDriver.check(
                cudart.cuModuleGetFunction(function, module, kernel.entry()), "cuModuleGetFunction of " + name);
        int sharedBytes = kernel.sharedBytes().getOrDefault(built, 0);
        if (sharedBytes > SHARED_BYTES_AT_HAND) {
            PresetsDriver.check(
                    cudart.cuFuncSetAttribute(
                            function, cudart.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, sharedBytes),
                    "cuFuncSetAttribute of " + name);
        }
        KernelArguments arguments = new KernelArguments(kernel);
        PointerPointer<Pointer> addresses = new PointerPointer<>(arguments.count());
        BytePointer values = new BytePointer(arguments.values());
        for (int i = 0; i < arguments.count(); i++) {
            addresses.put(i, values.getPointer((long) i * KernelArguments.STRIDE));
        }
        module.retainReference();
        function.retainReference();
        addresses.retainReference();
        return new Loaded(kernel, function, sharedBytes, arguments, addresses);
    }
}
