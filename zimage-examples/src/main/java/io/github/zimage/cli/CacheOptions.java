package io.github.zimage.cli;

import io.github.zimage.ConversionCache;
import io.github.zimage.PipelineBuilder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where converted weights are kept, if at all. */
final class CacheOptions {
    @Option(
            names = "--cache",
            paramLabel = "DIR",
            description =
                    "Folder to keep converted weights in (default: $$ZIMAGE_CACHE, or that of the platform, for large"
                            + " ones).")
    private @Nullable Path cache;

    @Option(names = "--no-cache", description = "Convert weights in memory each time, and keep none.")
    private boolean noCache;

    /** Takes another option of the same meaning as {@code --cache} into account. */
    void set(Path folder) {
        cache = folder;
    }

    void apply(PipelineBuilder builder) {
        if (cache != null && noCache) {
            throw new IllegalArgumentException("--cache and --no-cache exclude each other");
        }
        if (cache != null) {
            builder.conversionCache(ConversionCache.in(cache));
        } else if (noCache) {
            builder.conversionCache(ConversionCache.off());
        }
    }
}
