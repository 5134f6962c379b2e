package io.github.zimage.cuda;

import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.placement.Device;
import java.nio.file.Path;

/** Opens a model twice and draws a small picture each time: the whole program of a JVM whose class path is tried. */
final class DrawOnce {
    private DrawOnce() {}

    /** Takes the model's folder and, if the choice shall not be left to zimage, the device. */
    public static void main(String[] args) {
        for (int opened = 0; opened < 2; opened++) {
            PipelineBuilder builder = ZImagePipeline.builder().model(Path.of(args[0]));
            if (args.length > 1) {
                builder.device(Device.parse(args[1]));
            }
            try (ZImagePipeline pipeline = builder.build()) {
                int bytes = pipeline.generate(GenerationRequest.builder()
                                .prompt("a red fox")
                                .size(64, 64)
                                .steps(1)
                                .build())
                        .rgb()
                        .length;
                System.out.println("DRAWN " + bytes);
            }
        }
    }
}
