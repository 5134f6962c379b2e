package io.github.zimage.internal.vae;

import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Mean and variance of each group of channels over a whole picture, put together from its strips. */
final class GroupStatistics {
    private final double[] means;
    /** Sums of squared distances from the mean. */
    private final double[] spreads;

    private final double eps;

    private long count;

    /** Creates statistics without any rows yet, of a norm that adds {@code eps} to variances. */
    GroupStatistics(int groups, double eps) {
        this.eps = eps;
        means = new double[groups];
        spreads = new double[groups];
    }

    /**
     * Adds a strip [1, C, rows, w].
     *
     * @param weight any FP32 numbers [C]; they make LibTorch report in FP32
     */
    void add(Tensor strip, Tensor weight) {
        if (strip.is_cpu() && Tensors.isOf(strip, ScalarType.Float)) {
            addCentred(strip);
            return;
        }
        long channels = strip.size(1);
        long pixels = strip.size(2) * strip.size(3);
        try (PointerScope scope = new PointerScope()) {
            // Cards take only what lies channel by channel and is of the weight's type.
            T_TensorTensorTensor_T normed = torch.native_group_norm(
                    strip.is_cpu()
                            ? strip
                            : Tensors.cast(strip, ScalarType.Float).contiguous(),
                    new TensorOptional(weight),
                    new TensorOptional(weight),
                    1,
                    channels,
                    pixels,
                    means.length,
                    eps);
            float[] variances = Tensors.toFloats(normed.get2());
            for (int group = 0; group < variances.length; group++) {
                variances[group] = (float) (1.0 / variances[group] / variances[group] - eps);
            }
            add(Tensors.toFloats(normed.get1()), variances, channels / means.length * pixels);
        }
    }

    /** LibTorch's own norm sums numbers and their squares one by one, which is off where the mean is large. */
    private void addCentred(Tensor strip) {
        try (PointerScope scope = new PointerScope()) {
            long perGroup = strip.size(1) / means.length;
            Tensor mean = ofGroups(strip);
            Tensor channels = mean.unsqueeze(1)
                    .expand(means.length, perGroup)
                    .reshape(1, -1, 1, 1)
                    .to(ScalarType.Float);
            float[] variances = Tensors.toFloats(ofGroups(strip.sub(channels).square_()));
            add(Tensors.toFloats(mean), variances, perGroup * strip.size(2) * strip.size(3));
        }
    }

    /** Returns the mean of each group of a strip, [groups] fp64. */
    private Tensor ofGroups(Tensor strip) {
        return strip.mean(new long[] {0, 2, 3}, false, new ScalarTypeOptional())
                .to(ScalarType.Double)
                .view(means.length, -1)
                .mean(1);
    }

    private void add(float[] stripMeans, float[] stripVariances, long stripCount) {
        double total = count + stripCount;
        for (int group = 0; group < means.length; group++) {
            double spread = (double) stripVariances[group] * stripCount;
            double difference = stripMeans[group] - means[group];
            means[group] += difference * stripCount / total;
            spreads[group] += spread + difference * difference * count * stripCount / total;
        }
        count += stripCount;
    }

    /** Returns the mean of each channel's group. */
    float[] meanOfChannels(int channels) {
        float[] result = new float[channels];
        for (int c = 0; c < channels; c++) {
            result[c] = (float) means[group(c, channels)];
        }
        return result;
    }

    /** Returns the variance of each channel's group. */
    float[] varianceOfChannels(int channels) {
        float[] result = new float[channels];
        for (int c = 0; c < channels; c++) {
            result[c] = (float) Math.max(spreads[group(c, channels)] / count, 0);
        }
        return result;
    }

    private int group(int channel, int channels) {
        return channel / (channels / means.length);
    }
}
