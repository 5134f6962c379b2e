package io.github.zimage.demo;

import io.github.zimage.internal.io.FileNames;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A Z-Image model of 16 MB that draws everyday things on plain backgrounds, from prompts in English and Chinese. It has the
 * architecture and the file layout of the full model and its own weights.
 *
 * <pre>{@code
 * try (ZImagePipeline pipeline = ZImagePipeline.builder().model(DemoModel.path()).build()) {
 *     pipeline.generate(GenerationRequest.builder().prompt("a fox").size(DemoModel.SIZE, DemoModel.SIZE).build());
 * }
 * }</pre>
 */
public final class DemoModel {
    /** The width and the height, in pixels, that the model draws best. */
    public static final int SIZE = 128;

    /** Says which files a folder in the cache holds. Their digest, which a test compares. */
    static final String KEY = "5e715a6d36284f93";

    static final List<String> FILES = List.of(
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/tokenizer.json",
            "tokenizer/tokenizer_config.json",
            "transformer/config.json",
            "transformer/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors");

    private static @Nullable Path temporary;

    private DemoModel() {}

    /**
     * Returns the folder of the model. The first call on a machine unpacks it to {@code $XDG_CACHE_HOME/zimage}, or else to
     * {@code ~/.cache/zimage}, where later calls of any program find it; where nothing can be written there, to a temporary folder
     * that is deleted when the JVM ends. Do not change the files.
     *
     * @throws UncheckedIOException if there is no room for it
     */
    public static synchronized Path path() {
        if (temporary != null) {
            return temporary;
        }
        try {
            return unpack(cache(System.getenv("XDG_CACHE_HOME"), System.getProperty("user.home"))
                    .resolve(KEY)
                    .resolve("demo-model"));
        } catch (IOException e) {
            temporary = unpackForThisJvm(e);
            return temporary;
        }
    }

    /** Returns the folder for caches, by the rules of the XDG Base Directory Specification. */
    static Path cache(@Nullable String xdg, String home) throws IOException {
        if (xdg != null && FileNames.isAbsolute(xdg)) {
            return Path.of(xdg, "zimage");
        }
        if (!FileNames.isAbsolute(home)) {
            throw new FileNotFoundException("no home folder, but '%s'".formatted(home));
        }
        return Path.of(home, ".cache", "zimage");
    }

    private static Path unpackForThisJvm(IOException reason) {
        try {
            Path parent = Files.createTempDirectory("zimage-");
            parent.toFile().deleteOnExit();
            Path folder = unpack(parent.resolve("demo-model"));
            folder.toFile().deleteOnExit();
            for (String name : FILES) {
                folder.resolve(name).resolveSibling("").toFile().deleteOnExit();
                folder.resolve(name).toFile().deleteOnExit();
            }
            return folder;
        } catch (IOException e) {
            e.addSuppressed(reason);
            throw new UncheckedIOException("the demo model cannot be unpacked: " + e.getMessage(), e);
        }
    }

    /** Adds what is missing of the model to a folder, which any number of programs may do at once. */
    static Path unpack(Path folder) throws IOException {
        for (String name : FILES) {
            Path file = folder.resolve(name);
            if (!Files.isRegularFile(file)) {
                Files.createDirectories(file.resolveSibling(""));
                unpack(name, file);
            }
        }
        return folder;
    }

    /** Writes one file, which appears whole or not at all. */
    private static void unpack(String name, Path file) throws IOException {
        Path part = Files.createTempFile(file.resolveSibling(""), ".unpacking-", ".tmp");
        try {
            try (InputStream in = DemoModel.class.getResourceAsStream("demo-model/" + name);
                    FileOutputStream out = new FileOutputStream(part.toFile())) {
                if (in == null) {
                    throw new FileNotFoundException(name + " is missing from the jar of zimage-demo");
                }
                in.transferTo(out);
                out.getFD().sync();
            }
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            // Windows refuses to replace a file that another program, which was faster, already maps.
            if (!Files.isRegularFile(file)) {
                throw e;
            }
        } finally {
            Files.deleteIfExists(part);
        }
    }
}
