package io.github.zimage.cli;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a pipeline computes: number formats, tiles, attention, or what a profile says of them. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ComputeOptions {
    @Mixin
    private PrecisionOption precision;

    @Option(
            names = "--vae-precision",
            paramLabel = "fp32|bf16",
            description = "Number format of the VAE (default: that of --dtype, bf16 for int8 and fp8).")
    private @Nullable Precision vaePrecision;

    @Option(
            names = "--vae-tiling",
            paramLabel = "auto|on|off|ROWS",
            defaultValue = "auto",
            description =
                    "Whether the VAE decodes in tiles, strips of so many rows, a multiple of 8: less memory, the same"
                            + " picture up to rounding. auto does when memory is short (default: ${DEFAULT-VALUE}).")
    private String vaeTiling;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            description = "How attention is computed: auto, sdpa, flash, math, blockwise, on cards also cudnn,"
                    + " mem_efficient and _flash_3, or the name of one that is plugged in (default: auto, or what"
                    + " --profile says).")
    private @Nullable String attention;

    @Option(
            names = "--profile",
            paramLabel = "F.json",
            description =
                    "Settings that 'zimage tune' found for this model; other options take the place of what it says.")
    private @Nullable Path profile;

    /** Returns the precision that was chosen, or the usual one. */
    Precision precision() {
        return precision.chosen();
    }

    /** Returns what was chosen of all that changes pictures by more than rounding. */
    String formats() {
        return "dtype %s, VAE %s, profile %s".formatted(precision.chosen(), vaePrecision, profile);
    }

    void apply(PipelineBuilder builder) {
        builder.vaeTiling(VaeTiling.parse(vaeTiling));
        if (profile != null) {
            builder.profile(profile);
        }
        precision.apply(builder);
        if (attention != null) {
            builder.attention(new AttentionBackend(attention));
        }
        if (vaePrecision != null) {
            builder.precision(Component.VAE, vaePrecision);
        }
    }
}
