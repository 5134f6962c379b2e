package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Turns three-dimensional positions into rotations of feature pairs. As in diffusers, frequencies are FP64, angles and rotations
 * FP32; unlike there, positions have no upper limit, because no table is kept.
 */
final class RopeEmbedder {
    private final List<Integer> axesDims;
    private final double theta;
    private final int headDim;
    private final TensorPlace place;

    RopeEmbedder(TransformerConfig config, TensorPlace place) {
        this.place = place;
        axesDims = config.axesDims();
        theta = config.ropeTheta();
        headDim = config.headDim();
    }

    /**
     * Returns the rotary embedding of positions.
     *
     * @param positions for each token its position on each axis
     */
    RotaryEmbedding forward(int[][] positions) {
        int pairs = headDim / 2;
        float[] angles = new float[positions.length * pairs];
        int pair = 0;
        for (int axis = 0; axis < axesDims.size(); axis++) {
            int dim = axesDims.get(axis);
            for (int i = 0; i < dim; i += 2, pair++) {
                double frequency = 1 / Math.pow(theta, (double) i / dim);
                for (int token = 0; token < positions.length; token++) {
                    angles[token * pairs + pair] = (float) (positions[token][axis] * frequency);
                }
            }
        }
        Tensor angle = Tensors.of(angles, positions.length, 1, pairs); // [S, 1, D/2]
        Tensor key = torch.polar(torch.ones_like(angle), angle);
        return new RotaryEmbedding(place.take(key.mul(new Scalar(1 / Math.sqrt(headDim)))), place.take(key));
    }
}
