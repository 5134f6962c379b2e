package io.github.zimage.internal.generation;

import io.github.zimage.GenerationListener;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.engine.Lease;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.VaeLoader;
import io.github.zimage.internal.image.Lanczos;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.vae.Moments;
import io.github.zimage.internal.vae.PictureEncoder;
import io.github.zimage.internal.weights.UpscalerFile;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Pictures that are drawn small first, where the model composes best, then enlarged and drawn anew in part, for the details.
 *
 * @param small draws the small ones
 * @param width the width to enlarge to, in pixels
 * @param height likewise
 * @param upscaler what enlarges, or null to resize
 */
record InitialHires(
        Order small, int width, int height, @Nullable UpscalerFile upscaler) implements InitialLatents {
    /**
     * How much is drawn anew: at the usual shift of 3, from a noise level of 0.62. More loses the composition, less leaves what was enlarged
     * without details.
     */
    private static final double STRENGTH = 0.35;

    @Override
    public InitialLatents prepare(Session session) {
        List<DrawnImage> drawn = Generation.run(session.hearing(pass(session.listener(), false)), small);
        List<DrawnImage> enlarged = upscaler == null ? drawn : Upscaling.run(session, upscaler, drawn);
        VaeConfig vae = session.model().checkpoint().vae();
        int steps = small.request().refiningSteps();
        return session.run(Phase.ENCODE, () -> {
            try (Lease<PictureEncoder> encoder = session.use(VaeLoader.ENCODER)) {
                List<Moments> moments = new ArrayList<>();
                for (DrawnImage each : enlarged) {
                    Pixels pixels = new Pixels(each.width(), each.height(), 3, each.rgb());
                    byte[] large = Lanczos.resize(pixels, width, height).data();
                    moments.add(encoder.model().encode(large, width, height, session.cancellation()));
                }
                return new Enlarged(moments, vae, steps);
            }
        });
    }

    @Override
    public GenerationListener heard(GenerationListener listener) {
        return pass(listener, true);
    }

    private GenerationListener pass(GenerationListener listener, boolean isLast) {
        int steps = small.request().steps();
        return new PassListener(
                listener, isLast ? steps : 0, steps + small.request().refiningSteps(), isLast);
    }

    @Override
    public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
        throw new IllegalStateException("prepare() comes first");
    }

    /**
     * What was drawn small, enlarged and encoded.
     *
     * @param moments one for each picture
     * @param vae what scales them
     * @param steps in how many steps they are drawn anew
     */
    private record Enlarged(List<Moments> moments, VaeConfig vae, int steps) implements InitialLatents {
        @Override
        public float[] levels(float[] whole) {
            float[] levels = NoiseSchedule.evenLevels(steps);
            for (int i = 0; i < levels.length; i++) {
                levels[i] = (float) (levels[i] * STRENGTH);
            }
            return levels;
        }

        @Override
        public int wholeSteps(int ofRequest) {
            return (int) (steps / STRENGTH);
        }

        @Override
        public NoiseSchedule schedule(NoiseSchedule whole) {
            return whole.from(whole.steps().size() - steps);
        }

        /** The small picture has begun with the first draw of the seed's noise. */
        @Override
        public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
            noise.next();
            NoisedPicture noised = new NoisedPicture(moments.get(picture).mode(vae, place), noise.next());
            float first = schedule.steps().get(0).sigma();
            return () -> noised.at(first);
        }
    }
}
