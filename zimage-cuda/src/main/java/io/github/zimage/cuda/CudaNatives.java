package io.github.zimage.cuda;

import io.github.zimage.internal.runtime.NativeLibraries;
import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.javacpp.Loader;

/** Chooses between LibTorch's build for cards and that for the processor, of which a process can load only one. */
public final class CudaNatives implements NativeLibraries {
    private static final String FOLDER = "org/bytedeco/pytorch/linux-x86_64-gpu/";

    /** Creates the service. */
    public CudaNatives() {}

    @Override
    public Optional<String> choose() {
        CudaMachine machine = machine();
        boolean usable = machine.problem() == null;
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
}
