package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The number format to compute in. */
final class PrecisionOption {
    @Option(
            names = "--dtype",
            paramLabel = "fp32|bf16|int8|fp8",
            description = "Number format to compute in (default: bf16, or what a profile says); int8 needs half the"
                    + " memory and time; fp8, too, on graphics cards only.")
    private @Nullable Precision precision;

    /** Takes another option of the same meaning into account. */
    void set(Precision chosen) {
        precision = chosen;
    }

    /** Returns what was chosen, or else BF16. */
    Precision chosen() {
        return precision == null ? Precision.BF16 : precision;
    }

    void apply(PipelineBuilder builder) {
        if (precision != null) {
            builder.precision(precision);
        }
    }
}
