package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.engine.Lease;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.VaeLoader;
import io.github.zimage.internal.image.MaskGrid;
import io.github.zimage.internal.image.Overlay;
import io.github.zimage.internal.image.PictureCanvas;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.vae.Moments;
import io.github.zimage.internal.vae.PictureEncoder;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Pictures that start from another picture with noise, as in diffusers' {@code pipeline_z_image_img2img.py} and, where there is a mask,
 * {@code pipeline_z_image_inpaint.py}. Each picture draws first the sample of the encoder's distribution, then its noise, both from its own seed: it does
 * not depend on what it is drawn together with.
 */
final class InitialPicture implements InitialLatents {
    private final ImageToImage imageToImage;
    private final PictureCanvas canvas;
    private final int steps;
    private final @Nullable Encoded encoded;

    /**
     * What the encoder made of the picture.
     *
     * @param moments the distribution of its latents
     * @param vae what scales them
     */
    private record Encoded(Moments moments, VaeConfig vae) {}

    private InitialPicture(ImageToImage imageToImage, int steps, PictureCanvas canvas, @Nullable Encoded encoded) {
        this.imageToImage = imageToImage;
        this.steps = steps;
        this.canvas = canvas;
        this.encoded = encoded;
    }

    /** Returns the start of a request's pictures, from the picture that it names. */
    static InitialPicture of(GenerationRequest request, ImageToImage imageToImage) {
        return new InitialPicture(
                imageToImage, request.steps(), PictureCanvas.of(imageToImage, request.width(), request.height()), null);
    }

    @Override
    public InitialLatents prepare(Session session) {
        VaeConfig vae = session.model().checkpoint().vae();
        Pixels picture = canvas.picture();
        return session.run(Phase.ENCODE, () -> {
            try (Lease<PictureEncoder> encoder = session.use(VaeLoader.ENCODER)) {
                Moments moments = encoder.model()
                        .encode(picture.data(), picture.width(), picture.height(), session.cancellation());
                return new InitialPicture(imageToImage, steps, canvas, new Encoded(moments, vae));
            }
        });
    }

    @Override
    public float[] levels(float[] whole) {
        if (imageToImage.strengthMode() == ImageToImage.StrengthMode.STEPPED) {
            return whole;
        }
        float[] levels = new float[whole.length];
        for (int i = 0; i < levels.length; i++) {
            levels[i] = (float) (whole[i] * imageToImage.strength());
        }
        return levels;
    }

    /** As ComfyUI counts them, so that as many are taken as without a picture. */
    @Override
    public int wholeSteps(int steps) {
        return imageToImage.strengthMode() == ImageToImage.StrengthMode.STEPPED
                ? steps
                : (int) (steps / imageToImage.strength());
    }

    /** In doubles, as in Python, where 25 * 0.56 is more than 14. */
    @Override
    public NoiseSchedule schedule(NoiseSchedule whole) {
        int all = whole.steps().size();
        return imageToImage.strengthMode() == ImageToImage.StrengthMode.STEPPED
                ? whole.from((int) Math.max(all - Math.min(all * imageToImage.strength(), all), 0))
                : whole.from(all - steps);
    }

    @Override
    public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
        Encoded known = Objects.requireNonNull(encoded, "prepare() comes first");
        Tensor original = known.moments().sample(known.vae(), noise.next(), place);
        Tensor own = noise.next();
        float first = schedule.steps().get(0).sigma();
        Pixels mask = canvas.mask();
        NoisedPicture noised = new NoisedPicture(original, own);
        if (mask == null) {
            return () -> noised.at(first);
        }
        float[] grid = MaskGrid.of(mask, known.vae().scale(), imageToImage.maskMode(), imageToImage.maskCells());
        Tensor painted =
                place.of(grid, 1, known.moments().height(), known.moments().width());
        return imageToImage.maskMode() == ImageToImage.MaskMode.DIFFERENTIAL
                ? DifferentialStart.of(noised, painted, first)
                : new MaskedStart(noised, painted, first);
    }

    @Override
    public DrawnImage finish(DrawnImage drawn) {
        Overlay overlay = canvas.overlay();
        if (overlay == null) {
            return drawn;
        }
        Pixels result = overlay.with(new Pixels(drawn.width(), drawn.height(), 3, drawn.rgb()));
        return new DrawnImage(result.width(), result.height(), result.data(), drawn.latents(), drawn.timings());
    }
}
