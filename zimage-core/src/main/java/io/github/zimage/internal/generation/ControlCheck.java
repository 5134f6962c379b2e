package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.control.ControlImage;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Checks what only the model can tell about the control pictures of a request. */
final class ControlCheck {
    private ControlCheck() {}

    /** Tells what is wrong with a request's control pictures, if anything is. */
    static void check(Checkpoint checkpoint, GenerationRequest request, Consumer<String> problem) {
        if (request.controls().isEmpty()) {
            return;
        }
        ControlNetConfig config = checkpoint.controlNet();
        if (config == null) {
            problem.accept("a control picture needs a ControlNet, but the pipeline has none:"
                    + " build it with controlNet, or name one with --control-model");
            return;
        }
        if (checkpoint.withoutEncoder() != null) {
            problem.accept("nothing can follow a picture, since the checkpoint has no encoder that fits: "
                    + checkpoint.withoutEncoder());
        }
        ImageToImage edit = request.imageToImage();
        if (edit != null && edit.maskPadding() != null) {
            problem.accept("a control picture is for the whole of what is drawn: leave out maskPadding");
        }
        request.controls().forEach(each -> check(each, config, problem));
    }

    private static void check(ControlImage control, ControlNetConfig config, Consumer<String> problem) {
        if (control.inpaintMask() != null && !config.takesMask()) {
            problem.accept("surroundings of a mask need a ControlNet from 2.0 on, but this is "
                    + config.variant().title());
        }
        Stream.of(control.image(), control.inpaintImage(), control.inpaintMask())
                .filter(each -> each != null && !each.isPresent())
                .map(SourceImage::toString)
                .forEach(digest ->
                        problem.accept("the control picture is known by its digest %s only: set the picture itself"
                                .formatted(digest)));
    }
}
