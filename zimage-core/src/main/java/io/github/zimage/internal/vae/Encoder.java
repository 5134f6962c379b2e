package io.github.zimage.internal.vae;

import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** The encoder half of the autoencoder: picture in, moments of latents out. The last norm and convolution compute in FP32. */
final class Encoder {
    private final Conv2d convIn;
    private final List<DownEncoderBlock2D> downBlocks = new ArrayList<>();
    private final ResnetBlock2D midResnet0;
    private final @Nullable MidBlockAttention midAttention;
    private final ResnetBlock2D midResnet1;
    private final GroupNorm convNormOut;
    private final Conv2d convOut;
    private final @Nullable Conv2d quantConv;

    /** Takes the encoder's weights from a store, which must stay open as long as the encoder is used. */
    Encoder(VaeConfig config, WeightStore weights, Kernels kernels) {
        int groups = config.normNumGroups();
        convIn = new Conv2d(weights, "encoder.conv_in", kernels.type(), kernels);
        List<Integer> channels = config.blockOutChannels();
        for (int i = 0; i < channels.size(); i++) {
            boolean changes = i > 0 && !channels.get(i).equals(channels.get(i - 1));
            boolean downsample = i < channels.size() - 1;
            String name = "encoder.down_blocks." + i;
            downBlocks.add(new DownEncoderBlock2D(
                    weights, name, config.layersPerBlock(), changes, downsample, groups, kernels));
        }
        midResnet0 = new ResnetBlock2D(weights, "encoder.mid_block.resnets.0", groups, false, kernels);
        midAttention = config.midBlockAddAttention()
                ? new MidBlockAttention(weights, "encoder.mid_block.attentions.0", groups, kernels)
                : null;
        midResnet1 = new ResnetBlock2D(weights, "encoder.mid_block.resnets.1", groups, false, kernels);
        convNormOut = new GroupNorm(weights, "encoder.conv_norm_out", groups, ScalarType.Float, kernels);
        convOut = new Conv2d(weights, "encoder.conv_out", ScalarType.Float, kernels);
        quantConv = config.useQuantConv() ? new Conv2d(weights, "quant_conv", ScalarType.Float, kernels) : null;
    }

    /**
     * Encodes a picture.
     *
     * @param image [1, 3, height, width], which is closed, of the linear layers' type, from -1 to 1, with the channels last in memory
     * @param betweenBlocks called between blocks; throws to cancel
     * @return [1, 2 * C, h, w] fp32: means, then logarithms of variances
     */
    Tensor moments(Tensor image, Runnable betweenBlocks) {
        return Tensors.scoped(() -> {
            Tensor hidden = convIn.forward(image);
            image.close();
            for (DownEncoderBlock2D block : downBlocks) {
                hidden = block.forward(hidden, betweenBlocks);
            }
            return out(hidden, betweenBlocks);
        });
    }

    /**
     * As {@link #moments(Tensor, Runnable)}, computing a strip of rows at a time down to the coarsest level. The norms take their
     * statistics from all strips and each strip sees its neighbours' rows, so that nothing but rounding differs.
     *
     * @param rowsAtOnce how many rows of any level are computed at a time
     * @param betweenStrips called between strips; throws to cancel
     */
    Tensor moments(Tensor image, long rowsAtOnce, Runnable betweenStrips) {
        return Tensors.scoped(() -> {
            RowSource x = entry(image);
            Tensor hidden = image;
            for (DownEncoderBlock2D block : downBlocks) {
                hidden = block.forward(x, rowsAtOnce, betweenStrips);
                x = RowSource.of(hidden);
            }
            return out(hidden, betweenStrips);
        });
    }

    /** What the first convolution makes of a picture: as large as anything, so it is not kept, but computed again. */
    private RowSource entry(Tensor image) {
        return new RowSource() {
            @Override
            public long height() {
                return image.size(2);
            }

            @Override
            public long width() {
                return image.size(3);
            }

            @Override
            public Tensor rows(Strip strip) {
                return convIn.forward(strip.widened().of(image), strip);
            }

            @Override
            public void close() {
                image.close();
            }
        };
    }

    /** The middle block and the last convolution: maps [1, in, h, w], which is closed, to [1, 2 * C, h, w]. */
    private Tensor out(Tensor x, Runnable betweenBlocks) {
        return Tensors.scoped(() -> {
            betweenBlocks.run();
            Tensor middle = midResnet0.forward(x);
            x.close();
            betweenBlocks.run();
            Tensor attended = midAttention == null ? middle : midAttention.forward(middle);
            Tensor moments = convOut.forward(convNormOut.forwardSilu(midResnet1.forward(attended)));
            return quantConv == null ? moments : quantConv.forward(moments);
        });
    }
}
