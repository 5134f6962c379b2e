package io.github.zimage.internal.runtime;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Where tensors lie, and how they get there. */
public class TensorPlace {
    /** The machine's memory. */
    public static final TensorPlace CPU = new TensorPlace(DeviceType.CPU, 0);

    private final DeviceType type;
    private final int index;

    /**
     * Names a place; calls no native code.
     *
     * @param type what LibTorch calls the kind of device
     * @param index which of its kind, from 0
     */
    public TensorPlace(DeviceType type, int index) {
        this.type = type;
        this.index = index;
    }

    /** Returns whether this is the machine's memory. */
    public final boolean isCpu() {
        return type == DeviceType.CPU;
    }

    /** Returns options for tensors that shall lie here. */
    public final TensorOptions options(ScalarType scalarType) {
        TensorOptions options = new TensorOptions(scalarType);
        return isCpu() ? options : options.device(new org.bytedeco.pytorch.DeviceOptional(device()));
    }

    /** Returns LibTorch's name for the place. */
    public final Device device() {
        return new Device(type, (byte) index);
    }

    /** Returns a tensor of a type with arbitrary content. */
    public final Tensor empty(ScalarType scalarType, long... shape) {
        return torch.empty(shape, options(scalarType), new MemoryFormatOptional());
    }

    /** Returns an FP32 tensor with a copy of the values. */
    public final Tensor of(float[] values, long... shape) {
        Tensor tensor = CPU.empty(ScalarType.Float, shape);
        new FloatPointer(tensor.data_ptr()).put(values, 0, values.length);
        return take(tensor);
    }

    /** Returns an FP32 tensor of the same number everywhere. */
    public final Tensor filled(double value, long... shape) {
        return torch.full(shape, new Scalar(value), options(ScalarType.Float));
    }

    /**
     * Returns a tensor with the content of another: that itself, if it lies here, or else a copy. When this returns, the other may be
     * overwritten and freed.
     */
    public Tensor take(Tensor tensor) {
        if (isCpu()) {
            return tensor.is_cpu() ? tensor : tensor.cpu();
        }
        return tensor.to(device(), tensor.scalar_type());
    }

    /** Copies numbers into a tensor that lies here. When this returns, the other may be overwritten and freed. */
    public void put(Tensor from, Tensor to) {
        to.copy_(from);
    }
}
