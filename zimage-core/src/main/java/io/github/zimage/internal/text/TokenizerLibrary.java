package io.github.zimage.internal.text;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.natives.BundleFolder;
import io.github.zimage.internal.natives.BundledFile;
import io.github.zimage.internal.runtime.NativeErrors;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer's native library, and that of JNA, with which DJL looks for graphics cards. Both are unpacked before DJL and JNA, which
 * would do it in other ways each, look for them.
 */
final class TokenizerLibrary {
    private static final String PATH = "RUST_LIBRARY_PATH";
    private static final String FLAVOR = "RUST_FLAVOR";
    private static final String CPU = "cpu";

    private static boolean loaded;

    private TokenizerLibrary() {}

    /**
     * Loads the libraries, or does nothing if they are loaded.
     *
     * @throws NativeLibraryException if they cannot be unpacked or loaded
     */
    static synchronized void load() {
        if (loaded) {
            return;
        }
        // Without these, DJL looks for a GPU to download other natives for, and reports where it runs.
        setUnlessSet(FLAVOR, CPU);
        setUnlessSet("OPT_OUT_TRACKING", "true");
        setUnlessSet("ai.djl.offline", "true");
        Map<String, String> settings = new HashMap<>();
        List<BundledFile> tokenizer = CPU.equals(setting(FLAVOR)) && setting(PATH) == null ? tokenizer() : List.of();
        BundleFolder.@Nullable Unpacked folder = unpacked(tokenizer, settings);
        try {
            with(settings, LibUtils::checkStatus);
            loaded = true;
        } catch (LinkageError | RuntimeException e) {
            throw new NativeLibraryException(explain(e, folder, tokenizer), e);
        }
    }

    private static BundleFolder.@Nullable Unpacked unpacked(List<BundledFile> tokenizer, Map<String, String> settings) {
        BundleFolder.Unpacked folder = null;
        if (!tokenizer.isEmpty()) {
            folder = unpack(tokenizer);
            settings.put(
                    PATH, folder.path().resolve(pathOf(tokenizer, "tokenizers")).toString());
        }
        List<BundledFile> jna = setting("jna.boot.library.path") == null ? jna() : List.of();
        if (!jna.isEmpty()) {
            Path library = unpack(jna).path().resolve(pathOf(jna, "jnidispatch"));
            settings.put("jna.boot.library.path", String.valueOf(library.getParent()));
            settings.put("jna.nounpack", "true");
        }
        return folder;
    }

    private static BundleFolder.Unpacked unpack(List<BundledFile> libraries) {
        String jar = libraries.get(0).path().replaceFirst("(\\.jar)?/.*", "");
        return BundleFolder.ofLibraries().unpack(jar + "-" + BundledFile.key(libraries), libraries, List.of());
    }

    private static String pathOf(List<BundledFile> libraries, String name) {
        return libraries.stream()
                .map(BundledFile::path)
                .filter(path -> path.contains(name + "."))
                .findFirst()
                .orElseThrow();
    }

    private static List<BundledFile> tokenizer() {
        String system = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        String djl = system.startsWith("win") ? "win" : system.startsWith("mac") ? "osx" : "linux";
        return libraries("native/lib/%s-%s/%s/".formatted(djl, architecture().replace('-', '_'), CPU), "tokenizers");
    }

    private static List<BundledFile> jna() {
        String system = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        String jna = system.startsWith("win") ? "win32" : system.startsWith("mac") ? "darwin" : "linux";
        return libraries("com/sun/jna/%s-%s/".formatted(jna, architecture()), "jnidispatch");
    }

    private static String architecture() {
        String name = System.getProperty("os.arch", "");
        return name.equals("amd64") || name.equals("x86_64") ? "x86-64" : name;
    }

    private static List<BundledFile> libraries(String folder, String known) {
        ClassLoader loader = LibUtils.class.getClassLoader();
        String file = System.mapLibraryName(known);
        List<BundledFile> found = BundledFile.in(loader, folder, file, name -> true);
        return found.isEmpty()
                ? BundledFile.in(loader, folder, file.replace(".dylib", ".jnilib"), name -> true)
                : found;
    }

    private static @Nullable String setting(String name) {
        String inEnvironment = System.getenv(name);
        return inEnvironment != null ? inEnvironment : System.getProperty(name);
    }

    private static void setUnlessSet(String property, String value) {
        if (setting(property) == null) {
            System.setProperty(property, value);
        }
    }

    /** Runs with system properties that others in this process, who use DJL or JNA for something else, do not see afterwards. */
    private static void with(Map<String, String> settings, Runnable action) {
        Map<String, @Nullable String> before = new HashMap<>();
        settings.forEach((name, value) -> before.put(name, System.setProperty(name, value)));
        try {
            action.run();
        } finally {
            before.forEach((name, value) -> {
                if (value == null) {
                    System.clearProperty(name);
                } else {
                    System.setProperty(name, value);
                }
            });
        }
    }

    private static String explain(Throwable e, BundleFolder.@Nullable Unpacked folder, List<BundledFile> tokenizer) {
        String first = NativeErrors.firstLine(e.getCause() == null ? e : e.getCause());
        String problem = "the tokenizer's native library could not be loaded (%s)".formatted(first);
        if (folder == null) {
            return problem
                    + ": it comes with ai.djl.huggingface:tokenizers for Linux x86-64, macOS on Apple silicon and Windows x86-64";
        }
        List<String> damaged = BundleFolder.ofLibraries().repair(folder, tokenizer);
        return damaged.isEmpty()
                ? "%s from %s".formatted(problem, folder.path())
                : "%s: it was damaged in %s and has been unpacked anew; start again".formatted(problem, folder.path());
    }
}
