package io.github.zimage.bench;

import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Normally distributed numbers, the same each time. They belong to the JavaCPP scope in which they are made. */
final class RandomTensors {
    private final TensorPlace place;

    RandomTensors(TensorPlace place) {
        this.place = place;
        torch.manual_seed(1);
    }

    Tensor floats(long... shape) {
        return torch.randn(shape, place.options(ScalarType.Float));
    }

    /** As the weights of norms are: numbers far from 1 would make rows of which few count, which 8 bits are not for. */
    Tensor aroundOne(long count) {
        return floats(count).mul_(new Scalar(0.25)).add_(new Scalar(1));
    }

    Tensor bf16(long... shape) {
        return Tensors.scoped(() -> floats(shape).to(ScalarType.BFloat16));
    }
}
