package io.github.zimage.internal.vae;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.EncodeMemory;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Turns pictures into latents: in tiles where memory is short, and in FP32 where BF16 fails. */
public final class PictureEncoder {
    private static final int BANDS = 3;
    private static final double LEVELS = 255;

    private final VaeConfig config;
    private final TensorPlace place;
    private final Fp32Fallback<Encoder> encoder;
    private final TileChoice tiles;

    /**
     * Takes the encoder's weights from a store, which must stay open as long as the encoder is used.
     *
     * @param reopened opens the store a second time, for other weights in case these fail; called each time they do
     * @param kernels gives those of a precision
     * @param tiles whether pictures go in tiles
     */
    public PictureEncoder(
            VaeConfig config,
            WeightStore weights,
            Supplier<WeightStore> reopened,
            Function<Precision, Kernels> kernels,
            Precision precision,
            TileChoice tiles) {
        this.config = config;
        this.encoder = new Fp32Fallback<>(
                "encoding", precision, weights, reopened, kernels, (store, own) -> new Encoder(config, store, own));
        this.place = weights.place();
        this.tiles = tiles;
    }

    /**
     * Encodes a picture.
     *
     * @param rgb red, green and blue of each pixel, row by row, {@code width * height * 3} bytes
     * @param width a multiple of the VAE's scale
     * @param height likewise
     * @param cancellation called often; throws to cancel
     * @throws ZImageException if the moments have infinite values, or none at all, in FP32 too
     */
    public Moments encode(byte[] rgb, int width, int height, Runnable cancellation) {
        return encode(rgb, width, height, null, cancellation);
    }

    /**
     * As the other one, with the middle of all colours, which is 0 for the encoder, in place of some pixels.
     *
     * @param shown for each pixel 1 if it is seen, or 0; null if all are
     */
    public Moments encode(byte[] rgb, int width, int height, float @Nullable [] shown, Runnable cancellation) {
        try (PointerScope scope = new PointerScope()) {
            return Moments.of(encoder.finite(
                    () -> {},
                    () -> NotFinite.of("VAE's encoder", "from a picture", Precision.FP32),
                    (half, type, weightBytes) -> {
                        Tensor image = image(rgb, width, height, shown, Tensors.scalarType(type));
                        return isTiled(height, width, type, weightBytes)
                                ? half.moments(image, tiles.rowsAtOnce(width), cancellation)
                                : half.moments(image, cancellation);
                    }));
        }
    }

    /** As diffusers' {@code VaeImageProcessor} does, from 256 levels to -1 to 1 in FP32: [1, 3, height, width]. */
    private Tensor image(byte[] rgb, int width, int height, float @Nullable [] shown, ScalarType type) {
        return Tensors.scoped(() -> {
            Tensor image = Tensors.ofBytes(rgb, 1, height, width, BANDS)
                    .to(ScalarType.Float)
                    .div_(new Scalar(LEVELS))
                    .mul_(new Scalar(2.0))
                    .sub_(new Scalar(1.0));
            if (shown != null) {
                image.mul_(Tensors.of(shown, 1, height, width, 1));
            }
            return place.take(Tensors.cast(image.permute(0, 3, 1, 2).contiguous(MemoryFormat.ChannelsLast), type));
        });
    }

    /** Decides by what encoding takes, and the weights that were loaded for it alone. */
    private boolean isTiled(int height, int width, Precision type, long weightBytes) {
        return tiles.isTiled(() -> weightBytes + EncodeMemory.peakBytes(config, height, width, type, 0));
    }
}
