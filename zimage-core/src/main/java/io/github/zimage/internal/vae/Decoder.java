package io.github.zimage.internal.vae;

import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** The decoder half of the autoencoder: latents in, picture out. The last norm and convolution compute in FP32. */
final class Decoder {
    private final VaeConfig config;
    private final @Nullable Conv2d postQuantConv;
    private final Conv2d convIn;
    private final ResnetBlock2D midResnet0;
    private final @Nullable MidBlockAttention midAttention;
    private final ResnetBlock2D midResnet1;
    private final List<UpDecoderBlock2D> upBlocks = new ArrayList<>();
    private final GroupNorm convNormOut;
    private final Conv2d convOut;

    /** Takes the decoder's weights from a store, which must stay open as long as the decoder is used. */
    Decoder(VaeConfig config, WeightStore weights, Kernels kernels) {
        this.config = config;
        ScalarType type = kernels.type();
        int groups = config.normNumGroups();
        postQuantConv = config.usePostQuantConv() ? new Conv2d(weights, "post_quant_conv", type, kernels) : null;
        convIn = new Conv2d(weights, "decoder.conv_in", type, kernels);
        midResnet0 = new ResnetBlock2D(weights, "decoder.mid_block.resnets.0", groups, false, kernels);
        midAttention = config.midBlockAddAttention()
                ? new MidBlockAttention(weights, "decoder.mid_block.attentions.0", groups, kernels)
                : null;
        midResnet1 = new ResnetBlock2D(weights, "decoder.mid_block.resnets.1", groups, false, kernels);
        List<Integer> channels = new ArrayList<>(config.blockOutChannels());
        Collections.reverse(channels);
        for (int i = 0; i < channels.size(); i++) {
            boolean changes = i > 0 && !channels.get(i).equals(channels.get(i - 1));
            boolean upsample = i < channels.size() - 1;
            String name = "decoder.up_blocks." + i;
            upBlocks.add(new UpDecoderBlock2D(
                    weights, name, config.layersPerBlock() + 1, changes, upsample, groups, kernels));
        }
        convNormOut = new GroupNorm(weights, "decoder.conv_norm_out", groups, ScalarType.Float, kernels);
        convOut = new Conv2d(weights, "decoder.conv_out", ScalarType.Float, kernels);
    }

    /**
     * Decodes latents.
     *
     * @param latents [C, h, w] fp32, as the transformer leaves them
     * @param betweenBlocks called between blocks; throws to cancel
     * @return [1, 3, height, width] fp32, about from -1 to 1
     */
    Tensor decode(Tensor latents, Runnable betweenBlocks) {
        return Tensors.scoped(() -> {
            Tensor hidden = middle(latents, betweenBlocks);
            for (UpDecoderBlock2D block : upBlocks) {
                hidden = block.forward(hidden, betweenBlocks);
            }
            Tensor normed = convNormOut.forwardSilu(hidden);
            hidden.close();
            return convOut.forward(normed);
        });
    }

    /**
     * As {@link #decode(Tensor, Runnable)}, computing a strip of rows at a time from the coarsest level on. The norms take their
     * statistics from all strips and each strip sees its neighbours' rows, so that nothing but rounding differs.
     *
     * @param rowsAtOnce how many rows of any level are computed at a time
     * @param betweenStrips called between strips; throws to cancel
     */
    Tensor decode(Tensor latents, long rowsAtOnce, Runnable betweenStrips) {
        return Tensors.scoped(() -> {
            RowSource x = RowSource.of(middle(latents, betweenStrips));
            for (int level = 0; level < upBlocks.size() - 1; level++) {
                UpDecoderBlock2D block = upBlocks.get(level);
                RowSource hidden = block.residual(x, rowsAtOnce, betweenStrips);
                // On the way to the finest level is the largest picture of all: it is not kept, but computed again.
                x = level == upBlocks.size() - 2
                        ? block.upsampledRows(hidden)
                        : block.upsampled(hidden, rowsAtOnce, betweenStrips);
            }
            RowSource finest = upBlocks.get(upBlocks.size() - 1).residual(x, rowsAtOnce, betweenStrips);
            return image(finest, rowsAtOnce, betweenStrips);
        });
    }

    /** Everything before the up blocks: maps latents to [1, C, h, w]. */
    private Tensor middle(Tensor latents, Runnable betweenBlocks) {
        return Tensors.scoped(() -> {
            Tensor z = latents.div(new Scalar(config.scalingFactor()))
                    .add_(new Scalar(config.shiftFactor()))
                    .unsqueeze(0)
                    .contiguous(MemoryFormat.ChannelsLast); // [1, C, h, w]
            Tensor entry = convIn.forward(postQuantConv == null ? z : postQuantConv.forward(z));
            Tensor middle = midResnet0.forward(entry);
            betweenBlocks.run();
            return midResnet1.forward(midAttention == null ? middle : midAttention.forward(middle));
        });
    }

    private Tensor image(RowSource x, long rowsAtOnce, Runnable betweenStrips) {
        Tensor image = convOut.emptyOutput(x.height(), x.width());
        List<Strip> strips = Strip.cut(x.height(), rowsAtOnce);
        UnaryOperator<Tensor> silu = convNormOut.siluWith(convNormOut.statistics(x, strips, betweenStrips));
        for (Strip strip : strips) {
            betweenStrips.run();
            try (PointerScope scope = new PointerScope()) {
                strip.of(image).copy_(convOut.forward(silu.apply(x.rows(strip.widened())), strip));
            }
        }
        return image;
    }
}
