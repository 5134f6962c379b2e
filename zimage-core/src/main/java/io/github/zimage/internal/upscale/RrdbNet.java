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
            Tensor hidden = dense(x, blocks.get(0));
            for (List<Convolution> block : blocks.subList(1, blocks.size())) {
                Tensor next = dense(hidden, block);
                hidden.close();
                hidden = next;
            }
            return hidden.mul_(new Scalar(RESIDUAL)).add_(x);
        });
    }

    private Tensor dense(Tensor x, List<Convolution> block) {
        return Tensors.scoped(() -> {
            int last = block.size() - 1;
            Tensor known = grown(x, block.get(0));
            for (Convolution convolution : block.subList(1, last)) {
                Tensor more = grown(known, convolution);
                known.close();
                known = more;
            }
            return convolved(known, block.get(last)).mul_(new Scalar(RESIDUAL)).add_(x);
        });
    }

    /** Returns what is known with what a convolution makes of it. A vector holds its tensors as long as it is there. */
    private Tensor grown(Tensor known, Convolution convolution) {
        try (Tensor added = activated(known, convolution);
                TensorVector both = new TensorVector(known, added)) {
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
            if (ups.isEmpty()) {
                return convolved(activated(features, hr), last);
            }
            Tensor hidden = doubled(features, ups.get(0));
            for (Convolution up : ups.subList(1, ups.size())) {
                Tensor next = doubled(hidden, up);
                hidden.close();
                hidden = next;
            }
            Tensor sharp = activated(hidden, hr);
            hidden.close();
            return convolved(sharp, last);
        });
    }

    private Tensor doubled(Tensor x, Convolution by) {
        long[] size = {2 * x.size(2), 2 * x.size(3)};
        try (Tensor large = torch.upsample_nearest2d(x, size, new DoubleOptional(), new DoubleOptional())) {
            return activated(large, by);
        }
    }
}
