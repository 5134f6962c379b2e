package io.github.zimage.internal.engine;

import io.github.zimage.ImageToImage;
import io.github.zimage.control.ControlImage;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.image.ControlCanvas;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.ControlHook;
import io.github.zimage.internal.transformer.ZImageControlNetModel;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.vae.Moments;
import io.github.zimage.internal.vae.PictureEncoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * The control pictures of a request: encoded by the VAE as diffusers' {@code pipeline_z_image_controlnet.py} and {@code
 * pipeline_z_image_controlnet_inpaint.py} do, then followed by a {@link ControlHook}.
 */
public final class ControlAttachment implements Attachment {
    private static final float HALF = 0.5f;
    private static final float WHITE = 255;

    private final List<Followed> followed;

    /**
     * A control picture.
     *
     * @param control what is asked of it
     * @param canvas its pixels, in the size that is drawn
     * @param latents what the ControlNet sees, on the heap; null until it is encoded
     */
    private record Followed(
            ControlImage control,
            ControlCanvas canvas,
            @Nullable Encoded latents) {}

    /** Latents on the heap: [channels, height, width]. */
    @SuppressWarnings("ArrayRecordComponent") // carries an array from one phase to the next; never compared
    private record Encoded(int channels, int height, int width, float[] values) {}

    private ControlAttachment(List<Followed> followed) {
        this.followed = List.copyOf(followed);
    }

    /**
     * Prepares the pixels.
     *
     * @param controls with pictures that are present
     * @param edit the request's edit, or null
     * @param width the width that is drawn, in pixels
     * @param height the height that is drawn
     */
    public static ControlAttachment of(
            List<ControlImage> controls, @Nullable ImageToImage edit, ControlNetConfig config, int width, int height) {
        return new ControlAttachment(controls.stream()
                .map(each -> new Followed(each, ControlCanvas.of(each, edit, config.takesMask(), width, height), null))
                .toList());
    }

    @Override
    public Attachment prepare(Session session) {
        VaeConfig vae = session.model().checkpoint().vae();
        ControlNetConfig config =
                Objects.requireNonNull(session.model().checkpoint().controlNet());
        return session.run(Phase.ENCODE, () -> {
            try (Lease<PictureEncoder> encoder = session.use(VaeLoader.ENCODER);
                    PointerScope scope = new PointerScope()) {
                Encoding encoding = new Encoding(encoder.model(), vae, config, session.cancellation());
                return new ControlAttachment(followed.stream()
                        .map(each -> new Followed(each.control(), each.canvas(), encoding.of(each.canvas())))
                        .toList());
            }
        });
    }

    /** Makes what a ControlNet sees: latents; with them, from 2.0 on, what of the picture is kept, and latents of that. */
    private record Encoding(PictureEncoder encoder, VaeConfig vae, ControlNetConfig config, Runnable cancellation) {
        Encoded of(ControlCanvas canvas) {
            Pixels any = Objects.requireNonNull(canvas.picture() == null ? canvas.mask() : canvas.picture());
            long height = any.height() / vae.scale();
            long width = any.width() / vae.scale();
            TensorVector channels = new TensorVector(latents(canvas.picture(), null, height, width));
            Pixels mask = canvas.mask();
            if (config.takesMask() && mask != null) {
                float[] shown = shown(mask);
                channels.push_back(corners(shown, mask.width(), vae.scale(), height, width));
                channels.push_back(latents(canvas.surroundings(), shown, height, width));
            } else if (config.takesMask()) {
                channels.push_back(TensorPlace.CPU.filled(0, vae.latentChannels() + 1L, height, width));
            }
            Tensor all = torch.cat(channels);
            return new Encoded(
                    config.inChannels(), Math.toIntExact(height), Math.toIntExact(width), Tensors.toFloats(all));
        }

        private Tensor latents(@Nullable Pixels picture, float @Nullable [] shown, long height, long width) {
            if (picture == null) {
                return TensorPlace.CPU.filled(0, vae.latentChannels(), height, width);
            }
            Moments moments = encoder.encode(picture.data(), picture.width(), picture.height(), shown, cancellation);
            return moments.mode(vae, TensorPlace.CPU);
        }

        /** Returns for each pixel whether it is kept: 1 where the mask is darker than half, or 0. */
        private static float[] shown(Pixels mask) {
            float[] shown = new float[mask.data().length];
            for (int i = 0; i < shown.length; i++) {
                shown[i] = Byte.toUnsignedInt(mask.data()[i]) / WHITE < HALF ? 1 : 0;
            }
            return shown;
        }

        /** Returns of each square of pixels the upper left one, [1, h, w]. */
        private static Tensor corners(float[] shown, int pixels, int scale, long height, long width) {
            float[] corners = new float[Math.toIntExact(height * width)];
            for (int i = 0; i < corners.length; i++) {
                corners[i] = shown[(int) (i / width * scale * pixels + i % width * scale)];
            }
            return Tensors.of(corners, 1, height, width);
        }
    }

    @Override
    public BlockHook open(Session session, ZImageTransformer2DModel transformer, List<Evaluation> evaluations) {
        LoadedModel model = session.model();
        Lease<ZImageControlNetModel> lease = session.use(ControlNetLoader.INSTANCE);
        try {
            List<ControlHook.Guide> guides = new ArrayList<>();
            for (Followed each : followed) {
                Encoded encoded = Objects.requireNonNull(each.latents(), "prepare() comes first");
                ControlImage control = each.control();
                guides.add(new ControlHook.Guide(
                        model.place().of(encoded.values(), encoded.channels(), encoded.height(), encoded.width()),
                        step -> control.scaleAt(step.index(), step.count()),
                        control.semantics() == ControlImage.Semantics.DIFFUSERS));
            }
            return new ControlHook(
                    lease.model(),
                    transformer,
                    model.place(),
                    evaluations,
                    guides,
                    model.resident(ControlNetLoader.INSTANCE) != null,
                    lease::requireUntouched,
                    lease::close);
        } catch (RuntimeException | Error e) {
            lease.close();
            throw e;
        }
    }
}
