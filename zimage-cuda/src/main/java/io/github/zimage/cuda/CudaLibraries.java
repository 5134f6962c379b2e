package io.github.zimage.cuda;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The libraries of CUDA 13 and cuDNN 9, which LibTorch needs and nobody may put into a jar: finds them on the machine, and loads each
 * before what depends on it, so that LibTorch finds all of them loaded, wherever they lie.
 */
final class CudaLibraries {
    /** Where users say where the libraries are: folders, separated as in the class path. */
    static final String PATH_PROPERTY = "zimage.cuda.path";

    /** Likewise, where the property is not set. */
    static final String PATH_VARIABLE = "ZIMAGE_CUDA_PATH";

    static final String DRIVER = "libcuda.so.1";

    /** Each after those that it depends on. */
    static final List<String> NEEDED = List.of(
            "libcudart.so.13",
            "libnvJitLink.so.13",
            "libcublasLt.so.13",
            "libcublas.so.13",
            "libcufft.so.12",
            "libcurand.so.10",
            "libcusparse.so.12",
            "libcusolver.so.12",
            "libcusolverMg.so.12",
            "libcupti.so.13",
            "libcufile.so.0",
            "libnccl.so.2",
            "libcudnn_graph.so.9",
            "libcudnn_ops.so.9",
            "libcudnn_cnn.so.9",
            "libcudnn_adv.so.9",
            "libcudnn.so.9");

    /** What others open by name when they first need it; which of them there are differs between releases. */
    static final List<String> USEFUL = List.of(
            "libnvrtc.so.13",
            "libcudnn_heuristic.so.9",
            "libcudnn_engines_precompiled.so.9",
            "libcudnn_engines_runtime_compiled.so.9",
            "libcudnn_engines_tensor_ir.so.9",
            "libcudnn_ext.so.9");

    /** The parts of cuDNN refuse those of another release, so they come from one folder. */
    private static final String CUDNN = "libcudnn";

    private static final List<String> BELOW = List.of(
            "lib",
            "lib64",
            "targets/x86_64-linux/lib",
            "extras/CUPTI/lib64",
            "*/lib",
            "nvidia/*/lib",
            "lib/python3*/site-packages/nvidia/*/lib");

    private static final List<String> USUAL = List.of(
            "/usr/local/cuda",
            "/usr/local/cuda-13*",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib64",
            "/usr/lib",
            "/lib64",
            "/usr/lib/wsl/lib",
            "/usr/local/nvidia/lib64",
            "/run/opengl-driver/lib",
            "/opt/cuda",
            "/usr/local/lib/python3*/dist-packages/nvidia/*/lib",
            "/usr/lib/python3*/dist-packages/nvidia/*/lib");

    private final List<Path> folders;

    CudaLibraries(List<Path> folders) {
        this.folders = List.copyOf(folders);
    }

    /**
     * Returns the folders of a machine in which its libraries can be: first those that the user names.
     *
     * @param root the root of its files
     */
    static CudaLibraries of(Path root, Map<String, String> environment, Properties properties) {
        Set<Path> found = new LinkedHashSet<>();
        String chosen = properties.getProperty(PATH_PROPERTY, environment.getOrDefault(PATH_VARIABLE, ""));
        for (Path folder : split(chosen)) {
            addWithBelow(found, folder);
        }
        found.addAll(split(environment.getOrDefault("LD_LIBRARY_PATH", "")));
        for (String variable : List.of("CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV", "CONDA_PREFIX")) {
            split(environment.getOrDefault(variable, "")).forEach(folder -> addWithBelow(found, folder));
        }
        found.addAll(linkerFolders(root));
        for (String pattern : USUAL) {
            for (Path folder : matches(root, pattern.substring(1))) {
                addWithBelow(found, folder);
            }
        }
        String home = properties.getProperty("user.home", "");
        if (!home.isEmpty()) {
            split(home)
                    .forEach(folder -> found.addAll(matches(folder, ".local/lib/python3*/site-packages/nvidia/*/lib")));
        }
        found.removeIf(folder -> !Files.isDirectory(folder));
        return new CudaLibraries(List.copyOf(found));
    }

    private static List<Path> split(String folders) {
        List<Path> result = new ArrayList<>();
        for (String folder : folders.split(File.pathSeparator, -1)) {
            try {
                if (!folder.isBlank()) {
                    result.add(Path.of(folder.strip()).toAbsolutePath().normalize());
                }
            } catch (InvalidPathException e) {
                // No such folder, then.
            }
        }
        return result;
    }

    private static void addWithBelow(Set<Path> found, Path folder) {
        found.add(folder);
        BELOW.forEach(pattern -> found.addAll(matches(folder, pattern)));
    }

    /** Returns the folders below one that a pattern matches, whose names may have a star, in the order of their names. */
    private static List<Path> matches(Path folder, String pattern) {
        List<Path> matched = List.of(folder);
        for (String name : pattern.split("/", -1)) {
            List<Path> next = new ArrayList<>();
            for (Path each : matched) {
                if (!name.contains("*")) {
                    next.add(each.resolve(name));
                }
                try (DirectoryStream<Path> below = Files.newDirectoryStream(each, name)) {
                    below.forEach(next::add);
                } catch (IOException e) {
                    // Not there, or not to be read.
                }
            }
            matched = next;
        }
        return matched.stream().filter(Files::isDirectory).sorted().toList();
    }

    /** Returns what the system's linker searches beside the usual folders. */
    private static List<Path> linkerFolders(Path root) {
        Set<Path> files = new TreeSet<>();
        try (DirectoryStream<Path> parts = Files.newDirectoryStream(root.resolve("etc/ld.so.conf.d"), "*.conf")) {
            parts.forEach(files::add);
        } catch (IOException e) {
            return List.of();
        }
        List<Path> folders = new ArrayList<>();
        for (Path file : files) {
            try {
                for (String line : Files.readString(file, StandardCharsets.ISO_8859_1)
                        .lines()
                        .toList()) {
                    String folder = line.strip();
                    if (folder.startsWith("/")) {
                        folders.add(root.resolve(folder.substring(1)).normalize());
                    }
                }
            } catch (IOException | InvalidPathException e) {
                // The other files may name them.
            }
        }
        return folders;
    }

    /** Returns where libraries are looked for. */
    List<Path> folders() {
        return folders;
    }

    /** Returns the files of a name, in the order of the folders. */
    List<Path> find(String name) {
        return folders.stream()
                .map(folder -> folder.resolve(name))
                .filter(Files::isRegularFile)
                .toList();
    }

    /**
     * Loads a library from the first folder that has it in a form that can be loaded.
     *
     * @param loader loads a file, such as {@link System#load}; throws {@link UnsatisfiedLinkError} if it cannot
     * @return where it was, or why it cannot be loaded
     */
    Loaded load(String name, Consumer<Path> loader) {
        return load(name, find(name), loader);
    }

    private static Loaded load(String name, List<Path> files, Consumer<Path> loader) {
        String problem = name + " was not found";
        for (Path file : files) {
            try {
                loader.accept(file);
                return new Loaded(file, null);
            } catch (UnsatisfiedLinkError e) {
                problem = "%s cannot be loaded (%s)".formatted(file, e.getMessage());
            }
        }
        return new Loaded(null, problem);
    }

    /** Loads all libraries but the driver's. Returns what is wrong with those that are needed; nothing if all is well. */
    List<String> loadAll(Consumer<Path> loader) {
        List<String> problems = new ArrayList<>();
        Path cuDnn = null;
        for (String name : NEEDED) {
            Loaded loaded = load(name, candidates(name, cuDnn), loader);
            if (loaded.problem() != null) {
                problems.add(loaded.problem());
            } else if (name.startsWith(CUDNN)) {
                cuDnn = loaded.file();
            }
        }
        if (problems.isEmpty()) {
            for (String name : USEFUL) {
                load(name, candidates(name, cuDnn), loader);
            }
        }
        return problems;
    }

    private List<Path> candidates(String name, @Nullable Path cuDnn) {
        List<Path> all = find(name);
        if (cuDnn == null || !name.startsWith(CUDNN)) {
            return all;
        }
        Path sibling = cuDnn.resolveSibling(name);
        return all.stream().filter(sibling::equals).toList();
    }

    /** What became of a library: its file or a problem. */
    record Loaded(@Nullable Path file, @Nullable String problem) {}
}
