package io.github.zimage.internal.generation;

import io.github.zimage.internal.engine.Lease;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.UpscalerLoader;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.upscale.PictureUpscaler;
import io.github.zimage.internal.weights.UpscalerFile;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Enlarges drawn pictures by a network, one after the other. */
final class Upscaling {
    private Upscaling() {}

    /** Enlarges pictures, in the phase for that. They keep the latents that they were decoded from. */
    static List<DrawnImage> run(Session session, UpscalerFile file, List<DrawnImage> drawn) {
        return session.run(Phase.UPSCALE, () -> {
            try (Lease<PictureUpscaler> upscaler = session.use(new UpscalerLoader(file))) {
                List<DrawnImage> enlarged = new ArrayList<>();
                for (DrawnImage each : drawn) {
                    long start = System.nanoTime();
                    upscaler.requireUntouched();
                    Pixels small = new Pixels(each.width(), each.height(), 3, each.rgb());
                    Pixels large = upscaler.model().upscale(small, session.cancellation());
                    enlarged.add(new DrawnImage(
                            large.width(), large.height(), large.data(), each.latents(), each.timings()));
                    Duration elapsed = Duration.ofNanos(System.nanoTime() - start);
                    session.listener().onUpscale(enlarged.size(), drawn.size(), elapsed);
                }
                return enlarged;
            }
        });
    }
}
