package io.github.zimage.internal.vae;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.DecodeMemory;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Turns latents into pictures: in tiles where memory is short, and in FP32 where BF16 fails. */
public final class PictureDecoder {
    private final VaeConfig config;
    private final TensorPlace place;
    private final Fp32Fallback<Decoder> decoder;
    private final TileChoice tiles;

    /**
     * Takes the decoder's weights from a store, which must stay open as long as the decoder is used.
     *
     * @param reopened opens the store a second time, for other weights in case these fail; called each time they do
     * @param kernels gives those of a precision
     * @param tiles whether pictures go in tiles
     */
    public PictureDecoder(
            VaeConfig config,
            WeightStore weights,
            Supplier<WeightStore> reopened,
            Function<Precision, Kernels> kernels,
            Precision precision,
            TileChoice tiles) {
        this.config = config;
        this.decoder = new Fp32Fallback<>(
                "decoding", precision, weights, reopened, kernels, (store, own) -> new Decoder(config, store, own));
        this.place = weights.place();
        this.tiles = tiles;
    }

    /**
     * Decodes latents.
     *
     * @param latents [C, h, w] fp32, as the transformer leaves them, on any device
     * @param cancellation called often; throws to cancel
     * @return [height, width, 3] uint8
     * @throws ZImageException if the latents are not finite, or the picture is not, in FP32 too
     */
    public Tensor decode(Tensor latents, Runnable cancellation) {
        return Tensors.scoped(() -> {
            Tensor here = place.take(latents);
            return levels(decoder.finite(
                    () -> requireFinite(here),
                    () -> notFinite(here),
                    (half, type, weightBytes) -> image(half, type, weightBytes, here, cancellation)));
        });
    }

    private static void requireFinite(Tensor latents) {
        if (!NotFinite.isFinite(latents)) {
            throw new ZImageException(
                    "latents must be finite to be decoded, but were not: what they came from is damaged");
        }
    }

    private static ZImageException notFinite(Tensor latents) {
        try (PointerScope scope = new PointerScope()) {
            return NotFinite.of(
                    "VAE",
                    String.format(
                            Locale.ROOT,
                            "from latents up to %.4g",
                            torch.max(latents.abs()).item_float()),
                    Precision.FP32);
        }
    }

    private Tensor image(Decoder half, Precision type, long weightBytes, Tensor latents, Runnable cancellation) {
        int height = Math.toIntExact(latents.size(1) * config.scale());
        int width = Math.toIntExact(latents.size(2) * config.scale());
        return isTiled(height, width, type, weightBytes)
                ? half.decode(latents, tiles.rowsAtOnce(width), cancellation)
                : half.decode(latents, cancellation);
    }

    /** Decides by what decoding takes, and the weights that were loaded for it alone. */
    private boolean isTiled(int height, int width, Precision type, long weightBytes) {
        return tiles.isTiled(() -> weightBytes + DecodeMemory.peakBytes(config, height, width, type, 0));
    }

    /** Rounds to 256 levels as diffusers' {@code VaeImageProcessor} does: [1, 3, height, width] to [height, width, 3]. */
    private static Tensor levels(Tensor image) {
        return torch.round(image.mul(new Scalar(0.5))
                        .add_(new Scalar(0.5))
                        .clamp_(new ScalarOptional(new Scalar(0.0)), new ScalarOptional(new Scalar(1.0)))
                        .mul_(new Scalar(255.0)))
                .squeeze(0)
                .permute(1, 2, 0)
                .to(ScalarType.Byte)
                .contiguous();
    }
}
