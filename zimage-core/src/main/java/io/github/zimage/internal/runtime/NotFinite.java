package io.github.zimage.internal.runtime;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Numbers that are infinite or none at all, and what is said of them. */
public final class NotFinite {
    private NotFinite() {}

    /** Returns whether all numbers of a tensor are finite; waits for them. */
    public static boolean isFinite(Tensor tensor) {
        try (PointerScope scope = new PointerScope()) {
            return torch.isfinite(tensor).all().item_bool();
        }
    }

    /** Returns where the first number is that is not finite, or -1. */
    public static int first(float[] values) {
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                return i;
            }
        }
        return -1;
    }

    /**
     * Returns what is thrown if a component makes such numbers of finite ones.
     *
     * @param component its name, such as {@code text encoder}
     * @param where what it was computing
     * @param precision what it computes in
     */
    public static ZImageException of(String component, String where, Precision precision) {
        String remedy = precision == Precision.FP32
                ? "its weights are damaged; compare the files with their source"
                : "its weights are damaged, or its numbers do not fit into %s; compare the files with their source, or set its precision to FP32"
                        .formatted(precision);
        return new ZImageException(
                "the %s gave values that are not finite %s, in %s: %s".formatted(component, where, precision, remedy));
    }
}
