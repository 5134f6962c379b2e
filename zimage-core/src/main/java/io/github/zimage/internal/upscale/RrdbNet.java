package io.github.zimage.internal.upscale;

import io.github.zimage.internal.config.RrdbNetConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * ESRGAN's network, as BasicSR's {@code rrdbnet_arch.py} has it: residual-in-residual dense blocks, then nearest neighbours and convolutions. All tensors have
 * the channels last in memory.
 */
final class RrdbNet {
    private static final double SLOPE = 0.2;
    private static final double RESIDUAL = 0.2;
    private static final long[] PADDING = {1, 1};

    private final Kernels kernels;
    private final Convolution first;
    private final List<List<Convolution>> denseBlocks = new ArrayList<>();
    private final Convolution body;
    private final List<Convolution> ups = new ArrayList<>();
    private final Convolution hr;
    private final Convolution last;

    private record Convolution(Tensor weight, Tensor bias) {}

    /** Takes the weights from a store, which must stay open as long as the network is used. */
    RrdbNet(RrdbNetConfig config, WeightStore weights, Kernels kernels) {
        this.kernels = kernels;
        first = convolution(weights, "conv_first");
        for (int block = 0; block < config.blocks(); block++) {
            for (int dense = 1; dense <= RrdbNetConfig.DENSE_BLOCKS; dense++) {
                List<Convolution> convolutions = new ArrayList<>();
                for (int k = 1; k <= RrdbNetConfig.CONVOLUTIONS; k++) {
                    convolutions.add(convolution(weights, "body.%d.rdb%d.conv%d".formatted(block, dense, k)));
                }
                denseBlocks.add(convolutions);
            }
        }
        body = convolution(weights, "conv_body");
        for (int i = 1; i <= config.doublings(); i++) {
            ups.add(convolution(weights, "conv_up" + i));
        }
        hr = convolution(weights, "conv_hr");
        last = convolution(weights, "conv_last");
    }

    private Convolution convolution(WeightStore weights, String name) {
        return new Convolution(
                weights.getChannelsLast(name + ".weight", kernels.type()), weights.get(name + ".bias", kernels.type()));
    }

    private Tensor convolved(Tensor x, Convolution by) {
        return kernels.conv2d(x, by.weight(), by.bias(), 1, PADDING);
    }

    private Tensor activated(Tensor x, Convolution by) {
        return torch.leaky_relu_(convolved(x, by), new Scalar(SLOPE));
    }

    /**
     * Returns the features of a picture.
     *
     * @param x [1, in, h, w], from 0 to 1
     * @param betweenBlocks called between blocks; throws to cancel
     * @return [1, features, h, w]
     */
    Tensor features(Tensor x, Runnable betweenBlocks) {
        return Tensors.scoped(() -> {
            Tensor shallow = convolved(x, first);
            Tensor hidden = shallow;
            for (int i = 0; i < denseBlocks.size(); i += RrdbNetConfig.DENSE_BLOCKS) {
                betweenBlocks.run();
                Tensor next = residual(hidden, denseBlocks.subList(i, i + RrdbNetConfig.DENSE_BLOCKS));
                if (i > 0) {
                    hidden.close();
                }
                hidden = next;
            }
            return convolved(hidden, body).add_(shallow);
        });
    }

    private Tensor residual(Tensor x, List<List<Convolution>> blocks) {
        return Tensors.scoped(() -> {
            Tensor hidden = x;
            for (List<Convolution> block : blocks) {
                Tensor next = dense(hidden, block);
                if (hidden != x) {
                    hidden.close();
                }
                hidden = next;
            }
            return hidden.mul_(new Scalar(RESIDUAL)).add_(x);
        });
    }

    private Tensor dense(Tensor x, List<Convolution> block) {
        return Tensors.scoped(() -> {
            Tensor known = x;
            for (Convolution convolution : block.subList(0, block.size() - 1)) {
                Tensor added = activated(known, convolution);
                Tensor both = joined(known, added);
                added.close();
                if (known != x) {
                    known.close();
                }
                known = both;
            }
            return convolved(known, block.get(block.size() - 1))
                    .mul_(new Scalar(RESIDUAL))
                    .add_(x);
        });
    }

    /** A vector holds its tensors as long as it is there. */
    private static Tensor joined(Tensor known, Tensor added) {
        try (TensorVector both = new TensorVector(known, added)) {
            return torch.cat(both, 1);
        }
    }

    /**
     * Returns the picture of features, enlarged.
     *
     * @param features [1, features, h, w]
     * @return [1, 3, h * 2^doublings, w * 2^doublings]
     */
    Tensor enlarged(Tensor features) {
        return Tensors.scoped(() -> {
            Tensor hidden = features;
            for (Convolution up : ups) {
                Tensor doubled = doubled(hidden);
                if (hidden != features) {
                    hidden.close();
                }
                hidden = activated(doubled, up);
                doubled.close();
            }
            Tensor sharp = activated(hidden, hr);
            if (hidden != features) {
                hidden.close();
            }
            return convolved(sharp, last);
        });
    }

    private static Tensor doubled(Tensor x) {
        long[] size = {2 * x.size(2), 2 * x.size(3)};
        return torch.upsample_nearest2d(x, size, new DoubleOptional(), new DoubleOptional());
    }
}
