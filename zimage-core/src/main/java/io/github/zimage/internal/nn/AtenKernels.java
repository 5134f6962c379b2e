package io.github.zimage.internal.nn;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Kernels for any device that LibTorch has, made of its operators: all rows at once, never waiting for the device. What a device can
 * do better it overrides.
 */
public class AtenKernels extends Kernels {

    /** Creates kernels whose linear layers compute in FP32 or BF16. */
    public AtenKernels(TensorPlace place, Attention attention, Precision precision) {
        super(place, attention, precision);
    }

    @Override
    public Projection projection(TensorSource weights, String name, boolean bias) {
        return Linear.load(weights, name, bias, type());
    }

    @Override
    public Projection downProjection(TensorSource weights, String name) {
        return projection(weights, name, false);
    }

    @Override
    public JointProjection jointProjection(TensorSource weights, List<String> names, boolean bias) {
        JointLinear joint = bias ? null : JointLinear.load(weights, names, type());
        return joint == null ? separate(weights, names, bias) : joint;
    }

    /** Returns layers that are applied one after the other. */
    protected final JointProjection separate(TensorSource weights, List<String> names, boolean bias) {
        return new SeparateProjections(
                names.stream().map(name -> projection(weights, name, bias)).toList());
    }

    @Override
    public Rows rows(Tensor x) {
        return Rows.of(Tensors.cast(x, type()));
    }

    @Override
    public Rows normScale(Tensor x, Tensor scale, double eps) {
        return Rows.of(Tensors.scoped(() -> Tensors.cast(rmsNorm(x, scale, eps), type())));
    }

    @Override
    public void addNormScale(Tensor x, Rows y, Tensor scale, double eps) {
        try (PointerScope scope = new PointerScope()) {
            x.add_(rmsNorm(y.floats(), scale, eps));
        }
    }

    @Override
    public Heads heads(Tensor x, Tensor norm, double eps, JointProjection qkv, Heads.Recipe recipe) {
        List<Tensor> heads = Tensors.allScoped(() -> {
            List<Rows> projected = qkv.forward(normScale(x, norm, eps));
            long d = recipe.headDim();
            Rows value = projected.get(2).settled();
            return List.of(
                    qkNormRope(projected.get(0), recipe.queryNorm(), recipe.eps(), recipe.queryRotation()),
                    qkNormRope(projected.get(1), recipe.keyNorm(), recipe.eps(), recipe.keyRotation()),
                    Tensors.cast(value.isPlain() ? value.values() : value.floats(), type())
                            .view(value.count(), recipe.heads(), d));
        });
        return new Heads(heads.get(0), heads.get(1), heads.get(2));
    }

    /**
     * Normalises queries or keys head by head and rotates pairs of neighbouring features (interleaved RoPE).
     *
     * @param x [S, H * D], what a linear layer gave
     * @param norm [D] fp32, or null for no norm
     * @param rotation [S, 1, D/2] complex64
     * @return [S, H, D] of the linear layers' type
     */
    protected Tensor qkNormRope(Rows x, @Nullable Tensor norm, double eps, Tensor rotation) {
        return Tensors.scoped(() -> Tensors.cast(
                rotated(x.floats().view(x.count(), -1, 2 * rotation.size(2)), norm, eps, rotation), type()));
    }

    /** By LibTorch's own choice of a kernel that can do it. */
    @Override
    public Tensor wideAttention(Tensor query, Tensor key, Tensor value) {
        return Tensors.scoped(() -> torch.scaled_dot_product_attention(
                        query.transpose(0, 1).unsqueeze(0),
                        key.transpose(0, 1).unsqueeze(0),
                        value.transpose(0, 1).unsqueeze(0),
                        new TensorOptional(),
                        0,
                        false,
                        new DoubleOptional(1),
                        false) // [1, H, S, D]
                .squeeze(0)
                .transpose(0, 1)
                .reshape(query.size(0), query.size(1) * query.size(2)));
    }

    @Override
    public Rows swiglu(Rows gate, Rows up) {
        return Rows.of(
                Tensors.scoped(() -> Tensors.cast(torch.silu(gate.floats()).mul_(up.floats()), type())));
    }

    @Override
    public void inParts(long rows, RowRange computation) {
        try (PointerScope scope = new PointerScope()) {
            computation.run(0, rows);
        }
    }
}
