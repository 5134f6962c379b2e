package io.github.zimage.examples;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/** Generates four variations of each of three prompts. Submitting everything at once keeps the device busy. */
public final class ManyPictures {
    private ManyPictures() {}

    /** Takes the folder to write to. */
    public static void main(String[] args) {
        Path folder = Path.of(args.length > 0 ? args[0] : ".");
        List<String> prompts = List.of("a red car", "an apple, blue background", "一只熊猫");
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().model(DemoModel.path()).build()) {
            var pending = prompts.stream()
                    .map(prompt -> pipeline.generateAsync(GenerationRequest.builder()
                            .prompt(prompt)
                            .size(128, 128)
                            .seed(1)
                            .count(4)
                            .build()))
                    .toList();
            IntStream.range(0, pending.size()).forEach(row -> {
                List<GeneratedImage> images = pending.get(row).join();
                for (GeneratedImage image : images) {
                    image.save(folder.resolve("prompt-%d-seed-%d.png".formatted(row + 1, image.seed())));
                }
            });
        }
    }
}
