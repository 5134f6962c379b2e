package io.github.zimage.internal.runtime;

import io.github.zimage.NativeLibraryException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** Loads LibTorch once, with the settings that must be in place before the first JavaCPP class is. */
public final class NativeRuntime {
    private NativeRuntime() {}

    /**
     * Loads the native libraries, or does nothing if they are loaded.
     *
     * @throws NativeLibraryException if they cannot be found or loaded; thrown again by later calls
     */
    public static void load() {
        Failure failure = Holder.FAILURE;
        if (failure != null) {
            throw new NativeLibraryException(failure.message(), failure.cause());
        }
    }

    /** Returns how many threads compute unless a pipeline sets another number. Loads the native libraries. */
    public static int threads() {
        load();
        return Holder.threads;
    }

    /**
     * Returns how many threads compute for a pipeline: as many as it wants, but no more than four a processor. Loads the native libraries.
     *
     * @param wanted null for as many as compute unless one is set
     */
    public static int threads(@Nullable Integer wanted) {
        load();
        return wanted == null ? Holder.threads : OpenMp.threads(wanted);
    }

    /** Returns what looks after the threads that compute, or null if nothing does. Loads the native libraries. */
    static @Nullable SpinGovernor governor() {
        load();
        return Holder.governor;
    }

    /** Returns the version of the LibTorch presets, such as {@code 2.10.0-1.5.13}, or {@code unknown}. */
    public static String libTorchVersion() {
        try {
            return Loader.getVersion("org.bytedeco", "pytorch");
        } catch (IOException e) {
            return "unknown";
        }
    }

    private static final class Holder {
        static int threads = 1;
        static @Nullable SpinGovernor governor;
        // A second attempt to load would only say NoClassDefFoundError.
        static final @Nullable Failure FAILURE = tryLoad();
    }

    /** Why nothing could be loaded. */
    private record Failure(String message, Throwable cause) {}

    private static @Nullable Failure tryLoad() {
        // JavaCPP counts tensor memory against the Java heap and throws a false OutOfMemoryError unless told not to.
        setUnlessSet("org.bytedeco.javacpp.maxPhysicalBytes", "0");
        setUnlessSet("org.bytedeco.javacpp.maxBytes", "0");
        List<String> otherBuilds = new ArrayList<>();
        JavaCppLibraries libraries = null;
        try {
            libraries = new JavaCppLibraries();
            libraries.unpackCommon(OpenMp::prepare);
            ServiceLoader.load(NativeLibraries.class)
                    .forEach(builds -> builds.choose().ifPresent(otherBuilds::add));
            libraries.unpackTorch();
            Loader.load(torch.class);
            Holder.threads = OpenMp.threads();
            Holder.governor = OpenMp.governor(Holder.threads);
            return null;
        } catch (NativeLibraryException e) {
            return new Failure(String.valueOf(e.getMessage()), e);
        } catch (LinkageError | RuntimeException | ServiceConfigurationError e) {
            return new Failure(explain(libraries, e, otherBuilds), e);
        }
    }

    private static String explain(@Nullable JavaCppLibraries libraries, Throwable cause, List<String> otherBuilds) {
        String platform = platform();
        if (libraries != null && libraries.areComplete()) {
            return "LibTorch could not be loaded for %s (%s)".formatted(platform, libraries.explain(cause));
        }
        String cards = otherBuilds.isEmpty()
                ? ""
                : "No graphics card can be used (%s), and LibTorch's build for the CPU is not there either. "
                        .formatted(String.join("; ", otherBuilds));
        return cards
                + ("LibTorch could not be loaded for %s (%s). Add the dependency org.bytedeco:pytorch-platform, or for this platform"
                                + " only org.bytedeco:pytorch:2.10.0-1.5.13:%s with org.bytedeco:openblas:0.3.31-1.5.13:%s and"
                                + " org.bytedeco:javacpp:1.5.13:%s; on the module path also pass --add-modules ALL-MODULE-PATH")
                        .formatted(platform, NativeErrors.firstLine(cause), platform, platform, platform);
    }

    private static String platform() {
        try {
            return Loader.getPlatform();
        } catch (LinkageError | RuntimeException e) {
            return System.getProperty("os.name") + "-" + System.getProperty("os.arch");
        }
    }

    private static void setUnlessSet(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
