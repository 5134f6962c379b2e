package io.github.zimage.internal.generation;

import io.github.zimage.GuidanceMethod;
import io.github.zimage.internal.runtime.Tensors;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Combines predictions for what a picture shall show and shall not, of any one shape, fp32, over whole pictures. As diffusers' guiders of the
 * same names, in the original formulation. Nothing here asks the device for a number.
 */
final class Guider implements AutoCloseable {
    private static final double EPS = 1e-8;
    /** torch.nn.functional.normalize has it. */
    private static final double NORM_EPS = 1e-12;

    private final GuidanceMethod method;
    private final double scale;
    /** By picture, the sum of differences so far. */
    private final Map<Integer, Tensor> running = new HashMap<>();

    /**
     * Combines nothing yet.
     *
     * @param scale how much further than the positive prediction to go
     */
    Guider(GuidanceMethod method, double scale) {
        this.method = method;
        this.scale = scale;
    }

    /**
     * Combines two predictions.
     *
     * @param picture whose they are
     * @param step from 0
     */
    Tensor combine(int picture, int step, Tensor positive, Tensor negative) {
        Tensor guided = switch (method.kind()) {
            case CFG -> positive.add(positive.sub(negative), new Scalar(scale));
            case CFG_ZERO -> zeroStar(step, positive, negative);
            case APG -> positive.add(projected(picture, positive, negative), new Scalar(scale));
        };
        return method.rescale() > 0 ? rescaled(guided, positive) : guided;
    }

    private Tensor zeroStar(int step, Tensor positive, Tensor negative) {
        if (step < method.zeroSteps()) {
            return torch.zeros_like(positive);
        }
        Tensor fit =
                positive.mul(negative).sum().div(negative.mul(negative).sum().add(new Scalar(EPS)));
        return positive.add(positive.sub(negative.mul(fit)), new Scalar(scale));
    }

    private Tensor projected(int picture, Tensor positive, Tensor negative) {
        Tensor difference = positive.sub(negative);
        if (method.momentum() != 0) {
            Tensor before = running.get(picture);
            if (before != null) {
                difference = difference.add(before, new Scalar(method.momentum()));
            }
            free(running.put(picture, Tensors.keep(difference.clone())));
        }
        if (method.threshold() > 0) {
            Scalar limit = new Scalar(method.threshold() * Math.sqrt((double) positive.numel()));
            Tensor share =
                    torch.reciprocal(torch.linalg_vector_norm(difference)).mul_(limit);
            difference = difference.mul(share.clamp_max_(new Scalar(1.0)));
        }
        Tensor all = difference.to(ScalarType.Double);
        Tensor direction = positive.to(ScalarType.Double);
        direction = direction.div(torch.linalg_vector_norm(direction).clamp_min_(new Scalar(NORM_EPS)));
        Tensor along = direction.mul(all.mul(direction).sum());
        return all.sub(along.mul_(new Scalar(1 - method.eta()))).to(ScalarType.Float);
    }

    private Tensor rescaled(Tensor guided, Tensor positive) {
        Tensor ratio = deviation(positive).div(deviation(guided).clamp_min_(new Scalar(Float.MIN_NORMAL)));
        return guided.mul(ratio.mul_(new Scalar(method.rescale())).add_(new Scalar(1 - method.rescale())));
    }

    /** Returns the standard deviation but for a factor of the size. */
    private static Tensor deviation(Tensor x) {
        return torch.linalg_vector_norm(x.sub(x.mean()));
    }

    private static void free(@Nullable Tensor tensor) {
        if (tensor != null) {
            tensor.close();
        }
    }

    @Override
    public void close() {
        running.values().forEach(Tensor::close);
        running.clear();
    }
}
