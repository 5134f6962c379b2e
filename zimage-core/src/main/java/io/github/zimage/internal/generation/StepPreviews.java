package io.github.zimage.internal.generation;

import io.github.zimage.GenerationListener;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.image.AwtImage;
import io.github.zimage.internal.runtime.NativeErrors;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.vae.PictureDecoder;
import io.github.zimage.internal.vae.TinyDecoder;
import java.awt.image.BufferedImage;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows the listener what pictures look like between the steps, if it wants to see that. */
final class StepPreviews implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StepPreviews.class);

    private final GenerationListener listener;
    private final @Nullable TinyDecoder tiny;
    private final @Nullable PictureDecoder decoder;
    private final @Nullable LatentColours colours;
    private final int vaeScale;
    private final Runnable cancellation;
    private int size;

    /**
     * Shows nothing yet.
     *
     * @param tiny comes before the others, and is closed with this; null if there is none
     * @param decoder null if there is none that always stays in memory: then colours are shown
     * @param colours those of the latents; null if they are not known: then nothing is shown without a decoder
     * @param vaeScale how many pixels a latent has on a side
     * @param cancellation called often; throws to cancel
     */
    StepPreviews(
            GenerationListener listener,
            @Nullable TinyDecoder tiny,
            @Nullable PictureDecoder decoder,
            @Nullable LatentColours colours,
            int vaeScale,
            Runnable cancellation) {
        this.listener = listener;
        this.tiny = tiny;
        this.decoder = decoder;
        this.colours = colours;
        this.vaeScale = vaeScale;
        this.cancellation = cancellation;
    }

    /** Asks, before a step, how large its previews shall be. */
    void ask(Step step) {
        size = listener.previewSize(step.number());
    }

    /**
     * Shows where the velocity leads: to latents at sigma 0. Called with the last evaluation of a step, before the latents have moved.
     *
     * @param picture the picture's index in the request
     */
    void show(Evaluation at, int picture, Tensor latents, Tensor velocity) {
        if (size <= 0 || !at.endsStep() || (tiny == null && decoder == null && colours == null)) {
            return;
        }
        BufferedImage image;
        try (PointerScope scope = new PointerScope()) {
            Tensor target = torch.add(latents, velocity, new Scalar(at.sigma())); // [C, h, w]
            if (!NotFinite.isFinite(target)) {
                return; // what is wrong with the picture is said of it, not of its preview
            }
            int side = side(Math.toIntExact(latents.size(1)), Math.toIntExact(latents.size(2)));
            Tensor decoded = decoded(torch.avg_pool2d(target, side, side));
            image = AwtImage.of(
                    Math.toIntExact(decoded.size(1)), Math.toIntExact(decoded.size(0)), Tensors.toBytes(decoded));
        } catch (RuntimeException e) {
            if (NativeErrors.translate(e) instanceof OutOfDeviceMemoryException failure) {
                LOG.debug(
                        "No preview of step {}, for want of memory: {}",
                        at.step().number(),
                        failure.getMessage());
                return;
            }
            throw e;
        }
        listener.onPreview(at.step().number(), picture + 1, image);
    }

    /** Returns [h, w, 3] bytes. */
    private Tensor decoded(Tensor latents) {
        if (tiny != null) {
            return tiny.decode(latents);
        }
        return decoder != null
                ? decoder.decode(latents, cancellation)
                : Objects.requireNonNull(colours).rgb(TensorPlace.CPU.take(latents));
    }

    /** Returns how many latents a side are averaged, so that the preview is as large as was asked for. */
    private int side(int height, int width) {
        int scale = tiny != null ? tiny.scale() : decoder != null ? vaeScale : 1;
        int wanted = Math.max(1, size / scale);
        return Math.min(Math.min(height, width), (Math.max(height, width) + wanted - 1) / wanted);
    }

    @Override
    public void close() {
        if (tiny != null) {
            tiny.close();
        }
    }
}
