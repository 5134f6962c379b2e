package io.github.zimage.internal.generation;

import io.github.zimage.GeneratedImage;
import io.github.zimage.Latents;
import io.github.zimage.internal.engine.Lease;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.VaeLoader;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.vae.PictureDecoder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** Turns latents into pictures on the Java heap, one after the other. */
final class Decoding {
    private final Session session;

    Decoding(Session session) {
        this.session = session;
    }

    /**
     * Decodes, in the phase for that.
     *
     * @param latents [C, h, w] fp32 each
     * @param sofar for each where the time went before
     */
    List<DrawnImage> images(List<Tensor> latents, List<GeneratedImage.Timings> sofar) {
        try (Lease<PictureDecoder> decoder = session.use(VaeLoader.DECODER)) {
            List<DrawnImage> images = new ArrayList<>();
            for (Tensor each : latents) {
                decoder.requireUntouched();
                DrawnImage image = image(decoder.model(), each, sofar.get(images.size()));
                images.add(image);
                session.listener()
                        .onDecode(images.size(), latents.size(), image.timings().decode());
            }
            return images;
        }
    }

    private DrawnImage image(PictureDecoder decoder, Tensor latents, GeneratedImage.Timings sofar) {
        try (PointerScope scope = new PointerScope()) {
            long start = System.nanoTime();
            session.cancellation().run();
            Tensor image = TensorPlace.CPU.take(decoder.decode(latents, session.cancellation())); // [height, width, 3]
            int height = Math.toIntExact(image.size(0));
            int width = Math.toIntExact(image.size(1));
            byte[] rgb = Tensors.toBytes(image);
            Latents kept = Latents.of(
                    Math.toIntExact(latents.size(0)),
                    Math.toIntExact(latents.size(1)),
                    Math.toIntExact(latents.size(2)),
                    Tensors.toFloats(latents));
            Duration decode = Duration.ofNanos(System.nanoTime() - start);
            return new DrawnImage(
                    width,
                    height,
                    rgb,
                    kept,
                    new GeneratedImage.Timings(
                            sofar.encode(), sofar.denoise(), decode, sofar.steps(), sofar.forwards()));
        }
    }
}
