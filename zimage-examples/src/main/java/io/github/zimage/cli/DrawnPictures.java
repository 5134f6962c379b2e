package io.github.zimage.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a generation gave, and what it took.
 *
 * @param images the pictures
 * @param files where they are, in the same order
 * @param load how long the pipeline took to be made
 * @param plan where the weights were, and the memory that was predicted
 * @param measured the most memory in use in each phase, if it was measured
 */
record DrawnPictures(
        List<GeneratedImage> images,
        List<Path> files,
        Duration load,
        MemoryPlan plan,
        MemoryPlan.@Nullable Peaks measured) {

    static DrawnPictures of(
            List<GeneratedImage> images,
            List<Path> files,
            Duration load,
            ZImagePipeline pipeline,
            GenerationRequest request) {
        return new DrawnPictures(
                images,
                files,
                load,
                pipeline.plan(request),
                pipeline.measuredPeaks().orElse(null));
    }

    /** Returns where it was drawn, how long each part took, and the memory, in one line. */
    String summary() {
        GeneratedImage last = images.get(images.size() - 1);
        ImageParameters parameters = last.parameters();
        String how = parameters == null ? "" : " in " + parameters.precision();
        String predicted = new MemorySize(plan.peaks().highest()) + " predicted";
        String memory = measured == null ? predicted : new MemorySize(measured.highest()) + ", " + predicted;
        return "on %s%s: load %s, %s; memory %s"
                .formatted(plan.device(), how, Times.seconds(load), Times.summary(last.timings()), memory);
    }

    /** Returns all of it for programs. */
    JsonNode toJson() {
        ObjectNode document = Json.object();
        ArrayNode pictures = document.putArray("pictures");
        for (int i = 0; i < images.size(); i++) {
            GeneratedImage image = images.get(i);
            ObjectNode picture = pictures.addObject()
                    .put("file", files.get(i).toString())
                    .put("width", image.width())
                    .put("height", image.height());
            Long seed = image.seed();
            picture.put("seed", seed == null ? null : new BigInteger(Long.toUnsignedString(seed)));
            ImageParameters parameters = image.parameters();
            if (parameters != null) {
                picture.put("model", parameters.model())
                        .put("precision", parameters.precision().toString())
                        .set("request", Json.of(parameters.request()));
            }
            picture.set("seconds", Json.of(image.timings()));
        }
        document.put("device", plan.device().toString()).put("loadSeconds", load.toNanos() / 1e9);
        ObjectNode memory = document.putObject("memoryBytes");
        memory.put("predicted", plan.peaks().highest());
        memory.put("measured", measured == null ? null : (Long) measured.highest());
        return document;
    }
}
