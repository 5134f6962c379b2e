package io.github.zimage.internal.runtime;

import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.natives.BundleFolder;
import io.github.zimage.internal.natives.BundledFile;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The libraries of LibTorch, OpenBLAS and JavaCPP, unpacked before JavaCPP looks for them. JavaCPP would unpack each when its turn has
 * come, while another process, whose linker follows what the libraries before it need, maps the half of it that is there.
 *
 * <p>They are laid out as in JavaCPP's cache, which is then told to be there, so that it finds all of them. Where it cannot have its
 * cache there, because nothing can be written, they are loaded before it asks for them.
 */
final class JavaCppLibraries {
    private static final Logger LOG = LoggerFactory.getLogger(JavaCppLibraries.class);
    private static final String CACHE_PROPERTY = "org.bytedeco.javacpp.cachedir";

    /** With one of these, users say that JavaCPP shall take its libraries from elsewhere, or load none. */
    private static final List<String> OWN_WAYS = List.of(
            "pathsFirst",
            "pathsfirst",
            "cacheLibraries",
            "cachelibraries",
            "findLibraries",
            "findlibraries",
            "loadLibraries",
            "loadlibraries");

    /** Bindings that nobody here calls. */
    private static final Pattern UNUSED = Pattern.compile("(lib)?jni(openblas_full|torch_gloo|torch_nccl)\\..*");

    /** What LibTorch itself loads when it first needs it, or JavaCPP in its turn. */
    private static final Pattern LATER = Pattern.compile("(lib)?(torch_cuda_linalg|jnitorch_cuda)\\..*");

    private static final Pattern FILE_NAME =
            Pattern.compile("(?:lib)?(?<name>.+?)(?<before>\\.[0-9.]+)?\\.(?:so|dylib|dll)(?<after>\\.[0-9.]+)?");

    private final ClassLoader loader = torch.class.getClassLoader();
    private final String platform = Loader.getPlatform();
    private final List<BundledFile> common = new ArrayList<>();
    private final String name;
    private final boolean ownWay =
            OWN_WAYS.stream().anyMatch(way -> System.getProperty("org.bytedeco.javacpp." + way) != null);
    private List<BundledFile> all = List.of();
    private BundleFolder.@Nullable Unpacked unpacked;

    JavaCppLibraries() {
        common.addAll(in("javacpp", "", "jnijavacpp"));
        for (BundledFile library : in("openblas", "", "jniopenblas_nolapack")) {
            common.add(library);
            String fileName = library.fileName();
            if (fileName.startsWith("libopenblas")) {
                common.add(library.as(fileName.replace("openblas", "openblas_nolapack")));
            }
        }
        List<BundledFile> versions = Stream.of(common, torch(""), torch("-gpu"))
                .flatMap(List::stream)
                .toList();
        name = "libtorch-" + version(versions) + "-" + BundledFile.key(versions);
    }

    private List<BundledFile> torch(String extension) {
        return in("pytorch", extension, "jnitorch");
    }

    private List<BundledFile> in(String artifact, String extension, String known) {
        return BundledFile.in(
                loader,
                "org/bytedeco/%s/%s%s/".formatted(artifact, platform, extension),
                System.mapLibraryName(known),
                file -> !file.contains("/") && !UNUSED.matcher(file).matches());
    }

    /** Returns the version in the name of LibTorch's jar, or the jar's name if that has none. */
    private static String version(List<BundledFile> libraries) {
        String last = libraries.isEmpty()
                ? "none"
                : libraries.get(libraries.size() - 1).path();
        String jar = last.substring(0, Math.max(0, last.indexOf('/'))).replaceFirst("\\.jar$", "");
        return jar.replaceFirst("^pytorch-", "").replaceFirst("-(linux|macosx|windows)-.*", "");
    }

    /**
     * Unpacks what any build of LibTorch needs, and tells JavaCPP of the folder, which must have room for LibTorch, too.
     *
     * @param beforeLoading is run when JavaCPP can load its own library, and nothing but that is loaded
     */
    void unpackCommon(Runnable beforeLoading) {
        List<BundledFile> cards = torch("-gpu");
        unpack(common, cards.isEmpty() ? torch("") : cards, beforeLoading);
    }

    /** Unpacks the build of LibTorch that was chosen. */
    void unpackTorch() {
        String extension = Loader.loadProperties().getProperty("platform.extension", "");
        unpack(torch(extension), List.of(), () -> {});
    }

    private void unpack(List<BundledFile> libraries, List<BundledFile> later, Runnable beforeLoading) {
        if (ownWay || libraries.isEmpty()) {
            beforeLoading.run();
            return;
        }
        BundleFolder.Unpacked folder = BundleFolder.ofLibraries().unpack(name, libraries, later);
        if (unpacked == null) {
            System.setProperty(CACHE_PROPERTY, (folder.writable() ? folder.path() : folderForLinks()).toString());
        }
        unpacked = folder;
        all = Stream.of(all, libraries).flatMap(List::stream).toList();
        if (folder.sameTimes() && folder.path().equals(cacheFolder())) {
            beforeLoading.run();
            return;
        }
        load(folder.path(), libraries.stream().filter(JavaCppLibraries::isOwn).toList());
        beforeLoading.run();
        load(folder.path(), libraries);
    }

    /** Returns whether a library is what JavaCPP itself needs. */
    private static boolean isOwn(BundledFile library) {
        return library.fileName().contains("jnijavacpp");
    }

    private static @Nullable Path cacheFolder() {
        try {
            return Loader.getCacheDir().toPath();
        } catch (IOException e) {
            LOG.debug("JavaCPP has no cache", e);
            return null;
        }
    }

    /** Returns a folder for the links that JavaCPP makes to libraries that lie outside of its cache; it loads nothing from there. */
    private static Path folderForLinks() {
        for (String place : new String[] {System.getProperty("java.io.tmpdir", ""), "/dev/shm", ""}) {
            try {
                Path folder = Files.createTempDirectory(Path.of(place).toAbsolutePath(), "zimage-links-");
                Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(folder), "zimage-links"));
                return folder;
            } catch (IOException e) {
                LOG.debug("No folder for links in {}", place, e);
            }
        }
        throw new NativeLibraryException(
                "the native libraries are in a folder that cannot be written, and there is none for temporary files either; name one by -Djava.io.tmpdir=FOLDER");
    }

    private static void delete(Path folder) {
        try {
            Loader.deleteDirectory(folder.toFile());
        } catch (IOException e) {
            LOG.debug("{} was not deleted", folder, e);
        }
    }

    /** Loads libraries, each after what it needs. What cannot be loaded is left to JavaCPP, which says why. */
    private static void load(Path folder, List<BundledFile> libraries) {
        List<BundledFile> left = new ArrayList<>(libraries);
        left.removeIf(library -> LATER.matcher(library.fileName()).matches());
        left.sort((a, b) ->
                Boolean.compare(a.fileName().contains("jni"), b.fileName().contains("jni")));
        int before;
        do {
            before = left.size();
            left.removeIf(library -> tryLoad(folder.resolve(library.path())));
        } while (!left.isEmpty() && left.size() < before);
    }

    /** Loads a library, and returns whether that could be done: it cannot before those that it needs. */
    private static boolean tryLoad(Path file) {
        try {
            Loader.loadLibrary(torch.class, new URL[] {file.toUri().toURL()}, presetName(file));
            return true;
        } catch (UnsatisfiedLinkError | MalformedURLException e) {
            LOG.debug("{} cannot be loaded yet", file, e);
            return false;
        }
    }

    /** Returns the name under which JavaCPP knows a library, such as {@code openblas@.0} for {@code libopenblas.so.0}. */
    static String presetName(Path file) {
        String fileName = String.valueOf(file.getFileName());
        Matcher parts = FILE_NAME.matcher(fileName);
        if (!parts.matches()) {
            return fileName;
        }
        String version = parts.group("after") != null ? parts.group("after") : parts.group("before");
        return parts.group("name") + (version == null ? "" : "@" + version);
    }

    /** Returns why LibTorch could not be loaded, after making good what is damaged. */
    String explain(Throwable cause) {
        String first = NativeErrors.firstLine(cause);
        BundleFolder.Unpacked folder = unpacked;
        if (folder == null || all.isEmpty()) {
            return first;
        }
        List<String> damaged = BundleFolder.ofLibraries().repair(folder, all);
        if (!damaged.isEmpty()) {
            return "%s; damaged in %s were %s, which have been unpacked anew: start again"
                    .formatted(first, folder.path(), String.join(", ", damaged));
        }
        String lower = first.toLowerCase(Locale.ROOT);
        if (lower.contains("failed to map segment") || lower.contains("not permitted")) {
            return "%s; the system allows no execution from %s: name another folder by -Dzimage.natives=FOLDER or ZIMAGE_NATIVES=FOLDER"
                    .formatted(first, folder.path());
        }
        return "%s; unpacked in %s".formatted(first, folder.path());
    }

    /** Returns whether the jars of this platform brought all that is needed. */
    boolean areComplete() {
        String extension = Loader.loadProperties().getProperty("platform.extension", "");
        return !in("javacpp", "", "jnijavacpp").isEmpty()
                && !in("openblas", "", "jniopenblas_nolapack").isEmpty()
                && !torch(extension).isEmpty();
    }
}
