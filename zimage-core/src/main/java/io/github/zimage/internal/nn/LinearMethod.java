package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Operator;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** How the processor can multiply by a transposed matrix. Each has a result of its own in the last bits. */
enum LinearMethod {
    /** LibTorch's linear operator: oneDNN for BF16, the BLAS that LibTorch was built with for FP32. */
    ATEN {
        @Override
        Tensor transposed(Tensor x, Tensor weight, @Nullable Tensor bias) {
            return bias == null ? torch.linear(x, weight) : torch.linear(x, weight, new TensorOptional(bias));
        }

        @Override
        Tensor sum(Tensor y, Tensor x, Tensor weight, @Nullable Tensor bias) {
            Tensor sum = y.addmm_(x, weight.t());
            return bias == null ? sum : sum.add_(bias);
        }
    },

    /** oneDNN's linear operator, with the matrix as it is. */
    ONEDNN {
        @Override
        Tensor transposed(Tensor x, Tensor weight, @Nullable Tensor bias) {
            OneDnn o = OneDnn.INSTANCE;
            return o.linear.call(
                    new IValue(x),
                    new IValue(weight),
                    bias == null ? o.none : new IValue(bias),
                    o.identity,
                    o.noScalars,
                    o.none);
        }

        @Override
        Tensor sum(Tensor y, Tensor x, Tensor weight, @Nullable Tensor bias) {
            OneDnn o = OneDnn.INSTANCE;
            return o.linearSum.call(
                    new IValue(x), new IValue(y), new IValue(weight), bias == null ? o.none : new IValue(bias), o.add);
        }
    },

    /** oneDNN's convolution of one pixel, whose matrix is laid out for the processor before. */
    PACKED {
        @Override
        Tensor packed(Tensor weight) {
            OneDnn o = OneDnn.INSTANCE;
            return Tensors.scoped(() -> o.pack.call(
                    new IValue(weight.view(weight.size(0), weight.size(1), 1, 1).contiguous(MemoryFormat.ChannelsLast)),
                    o.noPadding,
                    o.one,
                    o.one,
                    o.oneGroup,
                    o.integers(1, weight.size(1), PART, 1)));
        }

        @Override
        Tensor transposed(Tensor x, Tensor weight, @Nullable Tensor bias) {
            OneDnn o = OneDnn.INSTANCE;
            return Tensors.scoped(() -> rows(o.convolution.call(
                    new IValue(image(x)),
                    new IValue(weight),
                    bias == null ? o.none : new IValue(bias),
                    o.noPadding,
                    o.one,
                    o.one,
                    o.oneGroup,
                    o.identity,
                    o.noConvolutionScalars,
                    o.noAlgorithm)));
        }

        @Override
        Tensor sum(Tensor y, Tensor x, Tensor weight, @Nullable Tensor bias) {
            OneDnn o = OneDnn.INSTANCE;
            return Tensors.scoped(() -> rows(o.convolutionSum.call(
                    new IValue(image(y)),
                    new IValue(image(x)),
                    new IValue(weight),
                    bias == null ? o.none : new IValue(bias),
                    o.noPadding,
                    o.one,
                    o.one,
                    o.oneGroup,
                    o.add,
                    o.whole,
                    o.none,
                    o.noConvolutionScalars,
                    o.none)));
        }

        /** [S, features] is an image of S x 1 pixels with the channels last. */
        private Tensor image(Tensor rows) {
            return rows.contiguous().view(1, rows.size(0), 1, rows.size(1)).permute(0, 3, 1, 2);
        }

        private Tensor rows(Tensor image) {
            return image.permute(0, 2, 3, 1).reshape(image.size(2), image.size(1)); // [1, out, S, 1] -> [S, out]
        }
    };

    /** So many rows are multiplied at a time; oneDNN lays a matrix out for them, and takes others, too. */
    private static final long PART = 256;

    private static final Map<ScalarType, List<LinearMethod>> AVAILABLE = new ConcurrentHashMap<>();

    /** Returns the matrix as {@link #transposed} takes it; the matrix itself if that is as it is. */
    Tensor packed(Tensor weight) {
        return weight;
    }

    /**
     * Returns {@code x W^T + b}.
     *
     * @param x [S, in] fp32 or bf16
     * @param weight [out, in] of x's type, from {@link #packed}
     * @param bias [out] of x's type, or null
     * @return [S, out] of x's type
     */
    abstract Tensor transposed(Tensor x, Tensor weight, @Nullable Tensor bias);

    /**
     * Returns {@code y + x W^T + b}, rounded once; it may overwrite y.
     *
     * @param y [S, out] of x's type
     * @param x as for {@link #transposed}, like the others
     */
    abstract Tensor sum(Tensor y, Tensor x, Tensor weight, @Nullable Tensor bias);

    /** Returns the name that is shown and kept. */
    String shownName() {
        return name().toLowerCase(Locale.ROOT);
    }

    static LinearMethod named(String name) {
        return valueOf(name.toUpperCase(Locale.ROOT));
    }

    /** Returns those that work here, that which is taken unless another one is faster first. */
    static List<LinearMethod> available(ScalarType type) {
        return AVAILABLE.computeIfAbsent(type.intern(), LinearMethod::find);
    }

    private static List<LinearMethod> find(ScalarType type) {
        List<LinearMethod> methods = new ArrayList<>();
        methods.add(ATEN);
        for (LinearMethod method : List.of(ONEDNN, PACKED)) {
            try (PointerScope scope = new PointerScope()) {
                Tensor ones = torch.ones(2, 2).to(type);
                method.transposed(ones, method.packed(ones), null);
                methods.add(method);
            } catch (RuntimeException | LinkageError e) {
                // This LibTorch, or oneDNN on this processor, has none.
            }
        }
        if (type == ScalarType.Float && methods.remove(ONEDNN)) {
            methods.add(0, ONEDNN);
        }
        return List.copyOf(methods);
    }

    /** oneDNN's operators, which have no Java binding, and their arguments that are always the same. */
    private static final class OneDnn {
        static final OneDnn INSTANCE = new OneDnn();

        final Operator linear;
        final Operator linearSum;
        final Operator pack;
        final Operator convolution;
        final Operator convolutionSum;
        final IValue none;
        final IValue identity;
        final IValue add;
        final IValue whole;
        final IValue noScalars;
        final IValue noConvolutionScalars;
        final IValue noAlgorithm;
        final IValue noPadding;
        final IValue one;
        final IValue oneGroup;

        private OneDnn() {
            try (PointerScope scope = new PointerScope()) {
                linear = Operator.find("mkldnn::_linear_pointwise", "");
                linearSum = Operator.find("mkldnn::_linear_pointwise", "binary");
                pack = Operator.find("mkldnn::_reorder_convolution_weight", "");
                convolution = Operator.find("mkldnn::_convolution_pointwise", "");
                convolutionSum = Operator.find("mkldnn::_convolution_pointwise_", "binary");
                none = Tensors.keep(new IValue());
                identity = Tensors.keep(new IValue("none"));
                add = Tensors.keep(new IValue("add"));
                whole = Tensors.keep(new IValue(1.0));
                noScalars = Tensors.keep(new IValue(new GenericList(linear.listElementType(4))));
                noConvolutionScalars = Tensors.keep(new IValue(new GenericList(convolution.listElementType(8))));
                noAlgorithm = Tensors.keep(new IValue(""));
                noPadding = Tensors.keep(integers(0, 0));
                one = Tensors.keep(integers(1, 1));
                oneGroup = Tensors.keep(new IValue(1L));
            }
        }

        IValue integers(long... values) {
            GenericList list = new GenericList(pack.listElementType(1));
            for (long value : values) {
                list.push_back(new IValue(value));
            }
            return new IValue(list);
        }
    }
}
