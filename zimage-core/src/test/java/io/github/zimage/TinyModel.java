package io.github.zimage;

import io.github.zimage.demo.SyntheticModel;
import java.nio.file.Files;
import java.nio.file.Path;

/** A small checkpoint with random weights, in FP32 so that results can be compared closely. */
final class TinyModel {
    private TinyModel() {}

    /** Writes the checkpoint into a folder and returns where it is. */
    static Path write(Path folder) {
        Path model = folder.resolve("tiny");
        if (!Files.exists(model)) {
            SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.FP32, 1, bytes -> {});
        }
        return model;
    }

    static PipelineBuilder pipeline(Path folder) {
        return ZImagePipeline.builder().model(write(folder)).precision(Precision.FP32);
    }

    /** A small request that takes some milliseconds. */
    static GenerationRequest.Builder request() {
        return GenerationRequest.builder()
                .prompt("a red fox in the snow")
                .size(64, 48)
                .steps(2)
                .seed(7);
    }
}
