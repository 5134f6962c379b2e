package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import io.github.zimage.placement.MemorySize;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How much memory a command may take. */
final class MemoryOptions {
    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            description =
                    "How much memory the process may have, such as 8g or 900m; weights that do not fit are read again"
                            + " whenever they are needed (default: what the machine has available).",
            converter = SizeConverter.class)
    private @Nullable MemorySize memory;

    /** Returns what was chosen, or {@code null}. */
    @Nullable
    MemorySize memory() {
        return memory;
    }

    /** Takes another option of the same meaning into account. */
    void set(MemorySize size) {
        memory = size;
    }

    void apply(PipelineBuilder builder) {
        if (memory != null) {
            builder.memoryBudget(memory);
        }
    }

    /** Reads {@code 8g}. */
    static final class SizeConverter implements ITypeConverter<MemorySize> {
        @Override
        public MemorySize convert(String text) {
            try {
                return MemorySize.parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
