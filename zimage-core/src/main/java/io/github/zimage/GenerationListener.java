package io.github.zimage;

import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Hears how a generation, or the loading of a pipeline, gets on. Every method does nothing unless overridden.
 *
 * <p>The methods of one generation are called in order, on the pipeline's device thread: they must return soon, must not
 * wait for the pipeline, and hold up the computation meanwhile. An exception that one throws ends that generation and reaches
 * its caller. When memory runs out, the prompts, the steps or the pictures may begin again, once for a request.
 */
public interface GenerationListener {

    /** A device begins with the request, which until then waited for those before it. */
    default void onStart() {}

    /**
     * An allocation failed, while weights were loaded or a request was drawn. Caches are freed, and what failed is tried once more with
     * the next smaller plan, if there is one. Should that fail too, it is the end, and this is not called again.
     *
     * @param failure what LibTorch said
     * @param next the plan from now on
     */
    default void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {}

    /**
     * A component's weights are being read: while the pipeline is built and, of a component that is parked, during each generation
     * that uses it.
     *
     * @param component what is being loaded
     * @param bytesDone bytes of weights that are ready
     * @param bytesTotal bytes of weights in the component
     */
    default void onLoad(Component component, long bytesDone, long bytesTotal) {}

    /**
     * A component's weights are being converted, or what was converted before is being checked; see {@link ConversionCache}. Called by
     * the thread that builds the pipeline, before anything is loaded.
     *
     * @param component what is being converted
     * @param bytesDone bytes of weights that are done
     * @param bytesTotal bytes of weights in the component
     */
    default void onConvert(Component component, long bytesDone, long bytesTotal) {}

    /**
     * The prompts have been turned into embeddings.
     *
     * @param elapsed how long that took
     */
    default void onEncode(Duration elapsed) {}

    /**
     * A denoising step is done.
     *
     * @param step its number, from 1 to {@code steps}
     * @param steps how many there are
     * @param elapsed how long this one took
     */
    default void onStep(int step, int steps, Duration elapsed) {}

    /**
     * How large previews shall be: their longer side in pixels, at most. Asked before each step; 0, the default, is for none. A preview is
     * decoded from reduced latents, so a quarter of the picture's width and height costs about a sixteenth of its decoding.
     *
     * @param step the number of the step that follows, from 1
     */
    default int previewSize(int step) {
        return 0;
    }

    /**
     * The file of a small decoder for previews, TAEF1 in safetensors: they have the picture's size then, also where the VAE's weights do not stay, for
     * 6 % of its multiplications. Asked once, before the first step; null, the default, is for none. For Flux's latents, which are Z-Image's.
     */
    default @Nullable Path previewDecoder() {
        return null;
    }

    /**
     * What a picture looks like so far, after a step and before its {@link #onStep}, if {@link #previewSize} asked for it. While
     * the VAE's weights do not stay in memory, it is a pixel of rough colour for each latent, an eighth of the picture's width; there is none
     * for a VAE of other latents than Z-Image's whose configuration does not say their colours, nor where memory is short.
     *
     * @param step the step's number, from 1
     * @param index the picture's number, from 1
     * @param preview what the model takes the picture to be, without the details
     */
    default void onPreview(int step, int index, BufferedImage preview) {}

    /**
     * A picture has been decoded.
     *
     * @param index its number, from 1 to {@code count}
     * @param count how many there are
     * @param elapsed how long this one took
     */
    default void onDecode(int index, int count, Duration elapsed) {}

    /**
     * A picture has been enlarged by an upscaler.
     *
     * @param index its number, from 1 to {@code count}
     * @param count how many there are
     * @param elapsed how long this one took
     */
    default void onUpscale(int index, int count, Duration elapsed) {}

    /**
     * The generation is done.
     *
     * @param images all pictures, in order
     */
    default void onDone(List<GeneratedImage> images) {}
}
