package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import io.github.zimage.upscale.UpscalerModel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What enlarges pictures. */
final class UpscalerOption {
    @Option(
            names = "--upscaler",
            paramLabel = "FILE",
            description =
                    "Enlarge the pictures by this network (ESRGAN, Real-ESRGAN; .safetensors or .pth), or with --hires"
                            + " the small ones before they are drawn anew.")
    private @Nullable Path upscaler;

    GenerationRequest applied(GenerationRequest request) {
        return upscaler == null
                ? request
                : request.toBuilder().upscaler(UpscalerModel.read(upscaler)).build();
    }
}
