package io.github.zimage.internal.upscale;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.config.RrdbNetConfig;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.placement.UpscaleMemory;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Enlarges pictures by a network, in tiles.
 *
 * <p>The trunk computes each tile with 32 of its pixels more on each side, which are cut off. What lies farther away has next to no influence in networks
 * of this kind. The convolutions behind it, at the size of the result, go in strips of rows with all that they depend on, and are exact.
 */
public final class PictureUpscaler {
    private static final double LEVELS = 255;

    private final RrdbNetConfig config;
    private final RrdbNet net;
    private final Kernels kernels;
    private final TensorPlace place;
    private final TileChoice tiles;

    /**
     * Takes the network's weights from a store, which must stay open as long as this is used.
     *
     * @param tiles whether tiles are small
     */
    public PictureUpscaler(RrdbNetConfig config, WeightStore weights, Kernels kernels, TileChoice tiles) {
        this.config = config;
        this.kernels = kernels;
        this.place = weights.place();
        this.tiles = tiles;
        net = new RrdbNet(config, weights, kernels);
    }

    /**
     * Makes sure that a picture can be enlarged.
     *
     * @throws IllegalArgumentException if the result would have too many pixels
     */
    public void requireSize(int width, int height) {
        String problem = config.problem(width, height);
        if (problem != null) {
            throw new IllegalArgumentException(problem);
        }
    }

    /**
     * Enlarges a picture.
     *
     * @param picture red, green and blue
     * @param cancellation called often; throws to cancel
     * @throws ZImageException if the network gives numbers that are not finite
     */
    public Pixels upscale(Pixels picture, Runnable cancellation) {
        Precision precision = kernels.precision();
        int height = picture.height();
        int width = picture.width();
        boolean small = tiles.isTiled(
                () -> UpscaleMemory.peakBytes(config, height, width, precision, UpscaleMemory.tile(false)));
        return upscale(picture, UpscaleMemory.tile(small), cancellation);
    }

    /**
     * As the other one, in tiles of a size.
     *
     * @param tile their side without overlap, in pixels of the network
     */
    Pixels upscale(Pixels picture, int tile, Runnable cancellation) {
        int scale = config.scale();
        Pixels large = new Pixels(
                picture.width() * scale,
                picture.height() * scale,
                RrdbNetConfig.BANDS,
                new byte
                        [Math.multiplyExact(
                                Math.multiplyExact(picture.width() * scale, picture.height() * scale),
                                RrdbNetConfig.BANDS)]);
        for (Span rows : Span.cut((picture.height() - 1) / config.unshuffle() + 1, tile)) {
            for (Span columns : Span.cut((picture.width() - 1) / config.unshuffle() + 1, tile)) {
                try (PointerScope scope = new PointerScope()) {
                    upscale(picture, rows, columns, large, cancellation);
                }
            }
        }
        return large;
    }

    /** A tile: the trunk sees all of it and its neighbours. */
    private void upscale(Pixels picture, Span rows, Span columns, Pixels large, Runnable cancellation) {
        Span seenRows = rows.widened(UpscaleMemory.OVERLAP);
        Span seenColumns = columns.widened(UpscaleMemory.OVERLAP);
        Tensor features = net.features(input(picture, seenRows, seenColumns), cancellation);
        Span usedColumns = columns.widened(UpscaleMemory.HALO);
        for (Span strip : rows.strips(UpscaleMemory.rowsAtOnce(seenRows.length()))) {
            cancellation.run();
            Span usedRows = strip.widened(UpscaleMemory.HALO);
            try (PointerScope scope = new PointerScope()) {
                Tensor part = features.narrow(2, usedRows.from() - seenRows.from(), usedRows.length())
                        .narrow(3, usedColumns.from() - seenColumns.from(), usedColumns.length());
                Tensor enlarged = net.enlarged(part.contiguous(MemoryFormat.ChannelsLast));
                if (!NotFinite.isFinite(enlarged)) {
                    throw NotFinite.of("upscaler", "from a picture", kernels.precision());
                }
                int factor = 1 << config.doublings();
                put(
                        levels(enlarged.narrow(
                                        2,
                                        (long) factor * (strip.from() - usedRows.from()),
                                        (long) factor * strip.length())
                                .narrow(
                                        3,
                                        (long) factor * (columns.from() - usedColumns.from()),
                                        (long) factor * columns.length())),
                        large,
                        factor * strip.from(),
                        factor * columns.from());
            }
        }
    }

    /** Returns a part of a picture for the network: [1, 3 * unshuffle^2, h, w], its edges repeated where it ends within a square. */
    private Tensor input(Pixels picture, Span rows, Span columns) {
        int unshuffle = config.unshuffle();
        int height = rows.length() * unshuffle;
        int width = columns.length() * unshuffle;
        byte[] part = new byte[height * width * RrdbNetConfig.BANDS];
        for (int y = 0; y < height; y++) {
            int from = Math.min(rows.from() * unshuffle + y, picture.height() - 1);
            for (int x = 0; x < width; x++) {
                int column = Math.min(columns.from() * unshuffle + x, picture.width() - 1);
                System.arraycopy(
                        picture.data(),
                        (from * picture.width() + column) * RrdbNetConfig.BANDS,
                        part,
                        (y * width + x) * RrdbNetConfig.BANDS,
                        RrdbNetConfig.BANDS);
            }
        }
        return Tensors.scoped(() -> {
            Tensor image = place.take(Tensors.ofBytes(part, 1, height, width, RrdbNetConfig.BANDS))
                    .permute(0, 3, 1, 2)
                    .to(ScalarType.Float)
                    .div_(new Scalar(LEVELS));
            return torch.pixel_unshuffle(image, unshuffle).to(kernels.type()).contiguous(MemoryFormat.ChannelsLast);
        });
    }

    /** Rounds to 256 levels: [1, 3, h, w] to [h, w, 3] on the CPU. */
    private static Tensor levels(Tensor image) {
        return Tensors.scoped(() -> TensorPlace.CPU.take(torch.round(image.to(ScalarType.Float)
                        .clamp(new ScalarOptional(new Scalar(0.0)), new ScalarOptional(new Scalar(1.0)))
                        .mul_(new Scalar(LEVELS)))
                .squeeze(0)
                .permute(1, 2, 0)
                .to(ScalarType.Byte)
                .contiguous()));
    }

    private static void put(Tensor levels, Pixels large, int top, int left) {
        byte[] part = Tensors.toBytes(levels);
        int partWidth = (int) levels.size(1);
        int columns = Math.min(partWidth, large.width() - left);
        int rows = Math.min((int) levels.size(0), large.height() - top);
        for (int y = 0; y < rows; y++) {
            System.arraycopy(
                    part,
                    y * partWidth * RrdbNetConfig.BANDS,
                    large.data(),
                    ((top + y) * large.width() + left) * RrdbNetConfig.BANDS,
                    columns * RrdbNetConfig.BANDS);
        }
    }
}
