package io.github.zimage.cuda;

import io.github.zimage.internal.runtime.NativeLibraries;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.presets.torch;

/** Chooses between LibTorch's build for cards and that for the processor, of which a process can load only one. */
public final class CudaNatives implements NativeLibraries {
    private static final String FOLDER = "org/bytedeco/pytorch/linux-x86_64-gpu/";

    /** Those that lie beside the library that is loaded first and that the system's linker looks for there. */
    private static final List<String> LIBRARIES = List.of(
            "libgomp.so.1",
            "libc10.so",
            "libc10_cuda.so",
            "libtorch_cpu.so",
            "libtorch_cuda.so",
            "libtorch_cuda_linalg.so",
            "libtorch.so");

    /** Creates the service. */
    public CudaNatives() {}

    @Override
    public Optional<String> choose() {
        CudaMachine machine = machine();
        boolean usable = machine.problem() == null;
        if (usable) {
            extract();
        }
        // Unless it is told, JavaCPP tries the build for cards and then the other one, which ends the JVM.
        Loader.loadProperties().setProperty("platform.extension", usable ? "-gpu" : "");
        return usable ? Optional.empty() : Optional.of(machine.problem() + "; " + machine.remedy());
    }

    /** Returns what the machine has; looks once. */
    static CudaMachine machine() {
        return Holder.MACHINE;
    }

    private static final class Holder {
        static final CudaMachine MACHINE = CudaMachine.examine(
                System.getProperty("os.name") + " " + System.getProperty("os.arch"),
                CudaNatives.class.getClassLoader().getResource(FOLDER + "libtorch_cuda.so") != null,
                CudaLibraries.of(Path.of("/"), System.getenv(), System.getProperties()),
                file -> System.load(file.toString()),
                PresetsDriver::new);
    }

    /** Puts all of LibTorch's libraries into JavaCPP's cache, which would put each there only when its turn has come. */
    private static void extract() {
        for (String library : LIBRARIES) {
            try {
                Loader.cacheResource(torch.class, "/" + FOLDER + library);
            } catch (IOException e) {
                throw new UncheckedIOException("LibTorch's %s could not be unpacked".formatted(library), e);
            }
        }
    }
}
