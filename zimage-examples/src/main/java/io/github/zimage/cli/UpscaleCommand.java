package io.github.zimage.cli;

import io.github.zimage.Precision;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.placement.Device;
import io.github.zimage.upscale.Upscaler;
import io.github.zimage.upscale.UpscalerModel;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Enlarges a picture's file, without a checkpoint of Z-Image. */
@Command(
        name = "upscale",
        description = "Enlarges a picture by an upscaler (ESRGAN, Real-ESRGAN). Needs no Z-Image model.")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class UpscaleCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", description = "The picture: PNG, JPEG or WebP.")
    private Path picture;

    @Option(
            names = "--upscaler",
            paramLabel = "FILE",
            required = true,
            description = "The upscaler: an RRDBNet as .safetensors, or as .pth, of which only tensors are read.")
    private Path upscaler;

    @Option(names = "--out", paramLabel = "F.png", required = true, description = "The file to write.")
    private Path out;

    @Option(
            names = "--device",
            paramLabel = "auto|cpu|cuda:N",
            defaultValue = "auto",
            description = "What computes: auto takes the first graphics card that can be used, if there is one, or else"
                    + " the CPU (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(
            names = "--dtype",
            paramLabel = "fp32|bf16",
            description = "Number format to compute in (default: bf16 on a card, fp32 on the CPU).")
    private @Nullable Precision precision;

    @Override
    public void run() {
        OutputFile.check(out);
        UpscalerModel model = UpscalerModel.read(upscaler);
        PrintWriter text = spec.commandLine().getOut();
        long start = System.nanoTime();
        try (Upscaler loaded = load(model)) {
            loaded.upscale(picture, out);
        }
        text.println("%s: %d times as wide and high, by %s, in %s"
                .formatted(
                        out, model.scale(), model.name(), Times.seconds(Duration.ofNanos(System.nanoTime() - start))));
    }

    private Upscaler load(UpscalerModel model) {
        Device computing =
                device.equalsIgnoreCase("auto") ? Devices.automatic() : Device.parse(device.toLowerCase(Locale.ROOT));
        return precision == null ? Upscaler.load(model, computing) : Upscaler.load(model, computing, precision);
    }
}
