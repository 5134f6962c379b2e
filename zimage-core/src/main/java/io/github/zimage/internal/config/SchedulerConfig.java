package io.github.zimage.internal.config;

import io.github.zimage.ModelLoadException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How noise levels are spread over the steps: {@code scheduler/scheduler_config.json} of a flow-matching Euler scheduler.
 *
 * @param numTrainTimesteps number of time steps of the training
 * @param shift how far the noise levels are pushed up, where it does not depend on the size of the picture
 * @param useDynamicShifting whether it does
 * @param baseShift the shift's exponent for a picture of {@code baseImageSeqLen} tokens
 * @param maxShift the shift's exponent for a picture of {@code maxImageSeqLen} tokens
 * @param baseImageSeqLen tokens of a small picture
 * @param maxImageSeqLen tokens of a large picture
 * @param shiftTerminal noise level that the last step is stretched to, or null
 * @param linearTimeShift whether a dynamic shift is applied as it is, rather than as its exponential
 */
public record SchedulerConfig(
        int numTrainTimesteps,
        double shift,
        boolean useDynamicShifting,
        double baseShift,
        double maxShift,
        int baseImageSeqLen,
        int maxImageSeqLen,
        @Nullable Double shiftTerminal,
        boolean linearTimeShift) {

    /**
     * Reads a configuration.
     *
     * @throws ModelLoadException if it is damaged, impossible, or of a scheduler that is not supported
     */
    public static SchedulerConfig read(Path json) {
        ConfigFile file = ConfigFile.read(json);
        file.onlyText("_class_name", "FlowMatchEulerDiscreteScheduler");
        file.onlyText("time_shift_type", "exponential", "linear");
        file.onlyFalse(
                "use_karras_sigmas",
                "use_exponential_sigmas",
                "use_beta_sigmas",
                "invert_sigmas",
                "stochastic_sampling");
        SchedulerConfig config = new SchedulerConfig(
                file.integer("num_train_timesteps", 1000, 1, 1_000_000),
                file.positive("shift", 1),
                file.flag("use_dynamic_shifting", false),
                file.has("base_shift") ? file.number("base_shift", 0.5) : 0.5,
                file.has("max_shift") ? file.number("max_shift", 1.15) : 1.15,
                file.integer("base_image_seq_len", 256, 1, 1 << 30),
                file.integer("max_image_seq_len", 4096, 1, 1 << 30),
                !file.has("shift_terminal") || file.number("shift_terminal", 0) == 0
                        ? null
                        : Double.valueOf(file.number("shift_terminal", 0)),
                file.text("time_shift_type", "exponential").equals("linear"));
        if (config.baseImageSeqLen == config.maxImageSeqLen) {
            throw file.wrong("max_image_seq_len", "must differ from base_image_seq_len", config.maxImageSeqLen);
        }
        Double terminal = config.shiftTerminal;
        if (terminal != null && (terminal < 0 || terminal >= 1)) {
            throw file.wrong("shift_terminal", "must be at least 0 and below 1");
        }
        return config;
    }

    /** Returns the same with a shift that does not depend on the size of the picture. */
    public SchedulerConfig withShift(double other) {
        return new SchedulerConfig(
                numTrainTimesteps,
                other,
                false,
                baseShift,
                maxShift,
                baseImageSeqLen,
                maxImageSeqLen,
                shiftTerminal,
                linearTimeShift);
    }

    /** Returns the same with a shift that depends on the size of the picture. */
    public SchedulerConfig withDynamicShift() {
        return new SchedulerConfig(
                numTrainTimesteps,
                shift,
                true,
                baseShift,
                maxShift,
                baseImageSeqLen,
                maxImageSeqLen,
                shiftTerminal,
                linearTimeShift);
    }
}
