package io.github.zimage.internal.vae;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.VaeConfig;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** The decoder half of the autoencoder: latents in, picture out. The last norm and convolution compute in FP32. */
public final class AutoencoderKL {
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
    public AutoencoderKL(VaeConfig config, WeightStore weights, Attention attention, Precision precision) {
        this.config = config;
        ScalarType type = Tensors.scalarType(precision);
        int groups = config.normNumGroups();
        postQuantConv = config.usePostQuantConv() ? new Conv2d(weights, "post_quant_conv", type) : null;
        convIn = new Conv2d(weights, "decoder.conv_in", type);
        midResnet0 = new ResnetBlock2D(weights, "decoder.mid_block.resnets.0", groups, false, type);
        midAttention = config.midBlockAddAttention()
                ? new MidBlockAttention(weights, "decoder.mid_block.attentions.0", groups, attention, type)
                : null;
        midResnet1 = new ResnetBlock2D(weights, "decoder.mid_block.resnets.1", groups, false, type);
        List<Integer> channels = new ArrayList<>(config.blockOutChannels());
        Collections.reverse(channels);
        for (int i = 0; i < channels.size(); i++) {
            boolean changes = i > 0 && !channels.get(i).equals(channels.get(i - 1));
            boolean upsample = i < channels.size() - 1;
            String name = "decoder.up_blocks." + i;
            upBlocks.add(
                    new UpDecoderBlock2D(weights, name, config.layersPerBlock() + 1, changes, upsample, groups, type));
        }
        convNormOut = new GroupNorm(weights, "decoder.conv_norm_out", groups, ScalarType.Float);
        convOut = new Conv2d(weights, "decoder.conv_out", ScalarType.Float);
    }

    /**
     * Decodes latents.
     *
     * @param latents [C, h, w] fp32, as the transformer leaves them
     * @param betweenBlocks called between blocks; throws to cancel
     * @return [height, width, 3] uint8
     */
    public Tensor decode(Tensor latents, Runnable betweenBlocks) {
        return Tensors.scoped(() -> {
            Tensor z = latents.div(new Scalar(config.scalingFactor()))
                    .add_(new Scalar(config.shiftFactor()))
                    .unsqueeze(0)
                    .contiguous(MemoryFormat.ChannelsLast); // [1, C, h, w]
            Tensor hidden = Tensors.scoped(() -> {
                Tensor entry = convIn.forward(postQuantConv == null ? z : postQuantConv.forward(z));
                Tensor middle = midResnet0.forward(entry);
                betweenBlocks.run();
                return midResnet1.forward(midAttention == null ? middle : midAttention.forward(middle));
            });
            for (UpDecoderBlock2D block : upBlocks) {
                Tensor previous = hidden;
                hidden = block.forward(previous, betweenBlocks);
                previous.close();
            }
            Tensor normed = convNormOut.forwardSilu(hidden);
            hidden.close();
            Tensor image = convOut.forward(normed); // [1, 3, height, width] in [-1, 1]
            return levels(image);
        });
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
