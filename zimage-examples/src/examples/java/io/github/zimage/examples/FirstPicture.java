package io.github.zimage.examples;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import java.nio.file.Path;

/** Generates one picture with the demo model and saves it. */
public final class FirstPicture {
    private FirstPicture() {}

    /** Takes the file to write. */
    public static void main(String[] args) {
        Path file = Path.of(args.length > 0 ? args[0] : "fox.png");
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().model(DemoModel.path()).build()) {
            GeneratedImage image = pipeline.generate(GenerationRequest.builder()
                    .prompt("a fox on a yellow background")
                    .size(128, 128) // the demo model's size; the real model draws 1024 x 1024
                    .seed(1)
                    .build());
            image.save(file);
            System.out.println(file + ", seed " + image.seed());
        }
    }
}
