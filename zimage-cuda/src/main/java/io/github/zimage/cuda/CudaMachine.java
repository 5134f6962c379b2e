package io.github.zimage.cuda;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What the machine has for drawing on cards, found out step by step before LibTorch is loaded, each step only if the ones before it
 * went well: once LibTorch's build for cards has begun to load, a failure would end the JVM.
 *
 * @param cards those that can be used; none if there is a problem
 * @param problem why no card can be used, or null
 * @param remedy what to do about that
 * @param passedOver why each of the other cards cannot be used
 */
record CudaMachine(List<CudaCard> cards, @Nullable String problem, String remedy, List<String> passedOver) {
    private static final int OLDEST_DRIVER = 13_000;
    private static final int MAX_FOLDERS_NAMED = 12;

    private static CudaMachine problem(String cause, String remedy) {
        return new CudaMachine(List.of(), cause, remedy, List.of());
    }

    /**
     * Looks at a machine and loads the driver and the libraries of CUDA.
     *
     * @param system the operating system's name and the architecture, as Java has them
     * @param nativesThere whether the build of LibTorch for cards is on the class path
     * @param loader loads a library
     * @param driver gives the driver when its libraries are loaded; may throw {@link LinkageError}
     */
    static CudaMachine examine(
            String system,
            boolean nativesThere,
            CudaLibraries libraries,
            Consumer<Path> loader,
            Supplier<CudaDriver> driver) {
        String lower = system.toLowerCase(Locale.ROOT);
        if (!lower.startsWith("linux") || !(lower.endsWith("amd64") || lower.endsWith("x86_64"))) {
            return problem("cards are used on Linux on x86-64 only, and this is " + system, "use device cpu");
        }
        if (!nativesThere) {
            return problem(
                    "LibTorch's build for cards is not on the class path",
                    "add org.bytedeco:pytorch:2.10.0-1.5.13:linux-x86_64-gpu, which zimage-cuda brings unless it is excluded");
        }
        CudaLibraries.Loaded driverLibrary = libraries.load(CudaLibraries.DRIVER, loader);
        if (driverLibrary.problem() != null) {
            return problem(
                    "there is no NVIDIA driver: " + driverLibrary.problem(),
                    "install driver 580 or later, or in a container pass the card on (docker run --gpus all)");
        }
        List<String> problems = libraries.loadAll(loader);
        if (!problems.isEmpty()) {
            return problem(
                    "libraries of CUDA 13 or cuDNN 9 are missing: " + String.join(", ", problems),
                    "install them (README, Graphics cards) or name their folders in the environment variable %s; looked in %s"
                            .formatted(CudaLibraries.PATH_VARIABLE, named(libraries.folders())));
        }
        try {
            return withDriver(driver.get());
        } catch (LinkageError | RuntimeException e) {
            return problem(
                    "CUDA cannot be called (%s)".formatted(e.getMessage()),
                    "add org.bytedeco:cuda:13.1-9.19-1.5.13:linux-x86_64, which zimage-cuda brings unless it is excluded");
        }
    }

    private static String named(List<Path> folders) {
        List<String> names =
                folders.stream().limit(MAX_FOLDERS_NAMED).map(Path::toString).toList();
        int more = folders.size() - names.size();
        return String.join(", ", names) + (more > 0 ? " and %d more".formatted(more) : "");
    }

    private static CudaMachine withDriver(CudaDriver driver) {
        int error = driver.initialise();
        if (error == CudaDriver.NO_DEVICE) {
            return problem(
                    "the driver finds no card",
                    "check nvidia-smi and the environment variable CUDA_VISIBLE_DEVICES, which hides cards");
        }
        if (error != 0) {
            return problem(
                    "the driver does not start (%s)".formatted(driver.describe(error)),
                    "check nvidia-smi; after an update of the driver the machine may have to be restarted");
        }
        int version = driver.version();
        if (version < OLDEST_DRIVER) {
            return problem(
                    "the driver is for CUDA %d.%d and too old".formatted(version / 1000, version % 1000 / 10),
                    "install driver 580 or later, which is for CUDA 13");
        }
        List<CudaCard> usable = new ArrayList<>();
        List<String> passedOver = new ArrayList<>();
        int count = driver.cards();
        for (int i = 0; i < count; i++) {
            CudaCard card = driver.card(i);
            if (card.isSupported()) {
                usable.add(card);
            } else {
                passedOver.add("LibTorch has no code for cuda:%d, %s".formatted(i, card));
            }
        }
        if (usable.isEmpty()) {
            return count == 0
                    ? problem(
                            "the driver finds no card", "check nvidia-smi and CUDA_VISIBLE_DEVICES, which hides cards")
                    : problem(
                            String.join(", ", passedOver),
                            "use a card of compute capability 7.5, 8.x, 9.0, 10.x or 12.x, or device cpu");
        }
        return new CudaMachine(List.copyOf(usable), null, "", List.copyOf(passedOver));
    }
}
