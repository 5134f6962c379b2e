package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.tuning.RuntimeInfo;
import java.time.Duration;

/**
 * How long a picture of Z-Image-Turbo takes, estimated from the speed of its heavy operations: the products of 32 blocks over the tokens
 * of the picture and some of the prompt, and attention among them. What is beside them is added as a share that was measured.
 */
final class TurboTime {
    private static final double TERA = 1e12;
    private static final int DIM = 3840;
    private static final int HIDDEN = 10240;

    /** Those of the stream, and two that refine the noise. */
    private static final int BLOCKS = 32;

    private static final int PROMPT_TOKENS = 64;
    private static final int TOKEN_PIXELS = 16 * 16;

    /** A forward pass of 12.9 TFLOP took 15.5 s where BF16 products ran at 0.94 TFLOP/s: docs/performance.md. */
    private static final double EFFICIENCY = 0.88;

    /** The VAE's operations for a pixel, as many as its time at that speed: 3.42 s for 512 x 512. */
    private static final double DECODE_PER_PIXEL = 3.42 * 0.94e12 / (512 * 512);

    private final RuntimeInfo machine;

    private TurboTime(RuntimeInfo machine) {
        this.machine = machine;
    }

    static TurboTime of(RuntimeInfo machine) {
        return new TurboTime(machine);
    }

    /** Returns the time of a picture whose weights stay in memory, without that of loading them. */
    Duration picture(Precision precision, GenerationRequest request) {
        double pixels = (double) request.width() * request.height();
        double steps = request.steps() * forward(precision, pixels / TOKEN_PIXELS + PROMPT_TOKENS);
        double decode = pixels * DECODE_PER_PIXEL / rate(Precision.BF16, "linear 3840 x 3840");
        return Duration.ofMillis(Math.round(1000 * (steps + decode)));
    }

    private double forward(Precision precision, double tokens) {
        double even = 4 * product(precision, DIM, DIM);
        double widening = 2 * product(precision, DIM, HIDDEN);
        double narrowing = product(precision, HIDDEN, DIM);
        Precision attending = precision == Precision.INT8 ? Precision.BF16 : precision;
        double attention = 4 * tokens * DIM / rate(attending, "attention, 4224 tokens");
        return BLOCKS * tokens * (even + widening + narrowing + attention) / EFFICIENCY;
    }

    /** Returns the seconds of a product for a token. */
    private double product(Precision precision, int in, int out) {
        return 2.0 * in * out / rate(precision, "linear %d x %d".formatted(in, out));
    }

    /** Returns the operations a second of the candidate that is taken. */
    private double rate(Precision precision, String operation) {
        return machine.kernels().stream()
                        .filter(kernel -> kernel.precision() == precision
                                && kernel.operation().equals(operation))
                        .mapToDouble(kernel -> kernel.teraflops()
                                .getOrDefault(
                                        kernel.choice(),
                                        kernel.teraflops().values().stream()
                                                .mapToDouble(Double::doubleValue)
                                                .max()
                                                .orElse(0)))
                        .findFirst()
                        .orElseThrow(() ->
                                new IllegalStateException("nothing was measured of " + operation + " in " + precision))
                * TERA;
    }
}
