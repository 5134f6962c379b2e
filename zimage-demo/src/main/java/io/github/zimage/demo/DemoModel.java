package io.github.zimage.demo;

import io.github.zimage.internal.natives.BundleFolder;
import io.github.zimage.internal.natives.BundledFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
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
    static final String KEY = "0847febb748ed9e4";

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

    private static @Nullable List<BundledFile> bundled;

    private DemoModel() {}

    /**
     * Returns the folder of the model. The first call on a machine unpacks it to {@code $XDG_CACHE_HOME/zimage} or
     * {@code ~/.cache/zimage} (or the platform's folder for caches), where later calls of any program find it; where nothing can be
     * written there, or others may write there, to a folder of this user's among the temporary ones. Each call compares all bytes, and
     * unpacks anew what differs; programs that have a file mapped keep the one that they have. Do not change the files.
     *
     * @throws UncheckedIOException if there is no room for it, or no folder that only this user may write to
     */
    public static synchronized Path path() {
        try {
            return unpack(BundleFolder.ofData());
        } catch (IOException e) {
            throw new UncheckedIOException("the demo model cannot be unpacked: " + e.getMessage(), e);
        }
    }

    static Path unpack(BundleFolder places) throws IOException {
        return places.unpack(KEY + "/demo-model", bundled());
    }

    private static synchronized List<BundledFile> bundled() throws IOException {
        if (bundled == null) {
            List<BundledFile> found = new ArrayList<>();
            for (String name : FILES) {
                found.add(BundledFile.of(DemoModel.class, "demo-model/" + name, name));
            }
            bundled = List.copyOf(found);
        }
        return bundled;
    }
}
