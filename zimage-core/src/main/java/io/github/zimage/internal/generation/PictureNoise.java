package io.github.zimage.internal.generation;

import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.NoiseSource;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The noise of a picture: what {@code torch.Generator("cpu").manual_seed(seed)} gives draw after draw, in FP32 and on every device the same.
 * Can be used until the scope ends in which it was made.
 */
final class PictureNoise implements NoiseSource {
    private final Generator generator;
    private final int reduction;
    private final TensorPlace place;
    private final long channels;
    private final long height;
    private final long width;

    /**
     * Draws nothing yet.
     *
     * @param reduction from squares of so many latents a side each one is made; 1 for noise as it is drawn
     * @param place where the noise shall lie
     * @param shape channels, height and width of the latents
     */
    PictureNoise(long seed, int reduction, TensorPlace place, long... shape) {
        generator = torch.make_generator_cpu(seed);
        this.reduction = reduction;
        this.place = place;
        channels = shape[0];
        height = shape[1];
        width = shape[2];
    }

    @Override
    public Tensor next() {
        return Tensors.scoped(() -> place.take(reduction == 1 ? drawn(height, width) : reduced()));
    }

    /** Noise of a larger picture, averaged over squares. The mean of n * n has a deviation of 1 / n. */
    private Tensor reduced() {
        return torch.avg_pool2d(drawn(reduction * height, reduction * width), reduction, reduction)
                .mul_(new Scalar((double) reduction));
    }

    private Tensor drawn(long rows, long columns) {
        return torch.randn(
                new long[] {channels, rows, columns},
                new GeneratorOptional(generator),
                new TensorOptions(ScalarType.Float));
    }
}
