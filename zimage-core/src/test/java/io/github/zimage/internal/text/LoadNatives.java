package io.github.zimage.internal.text;

import io.github.zimage.internal.runtime.NativeRuntime;
import org.bytedeco.pytorch.global.torch;

/** A process that loads all native libraries and calculates something. */
final class LoadNatives {
    private LoadNatives() {}

    public static void main(String[] arguments) {
        TokenizerLibrary.load();
        NativeRuntime.load();
        System.out.println("sum " + torch.ones(2, 3).sum().item_float());
    }
}
