package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.TensorSource;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code all_final_layer}: a norm, scaled by the timestep, and the way back from features to patches. */
final class FinalLayer {
    private static final double EPS = 1e-6;

    private final Kernels kernels;
    private final Linear linear;
    private final Linear adaLnModulation;

    FinalLayer(TensorSource weights, String name, Kernels kernels) {
        this.kernels = kernels;
        linear = Linear.load(weights, name + ".linear", true, kernels.type());
        adaLnModulation = Linear.load(weights, name + ".adaLN_modulation.1", true, ScalarType.Float);
    }

    /**
     * Returns the scale of each step, [dim] fp32.
     *
     * @param adaLnInput the embedded timesteps [steps, adaLnDim] fp32
     */
    List<Tensor> scales(Tensor adaLnInput, TransformerAdditions additions) {
        Tensor scales = adaLnModulation
                .forward(torch.silu(adaLnInput), additions.finalModulation())
                .add_(new Scalar(1.0)); // [steps, dim]
        List<Tensor> steps = new ArrayList<>();
        for (long step = 0; step < adaLnInput.size(0); step++) {
            steps.add(scales.select(0, step));
        }
        return steps;
    }

    /**
     * Runs the layer.
     *
     * @param x [N, dim] fp32
     * @param scale [dim] fp32
     * @return [N, patch size^2 * channels]
     */
    Tensor forward(Tensor x, Tensor scale, TransformerAdditions additions) {
        return linear.forward(kernels.layerNorm(x, scale, EPS), additions.finalLinear());
    }
}
