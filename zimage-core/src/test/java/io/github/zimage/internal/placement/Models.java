package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Models that are known by their shapes, so that a plan for 12 GB of weights needs no file. */
final class Models {
    /** The VAE of Z-Image. */
    static final VaeConfig TURBO_VAE =
            new VaeConfig(16, List.of(128, 256, 512, 512), 2, 32, 0.3611, 0.1159, false, true, 3);

    private Models() {}

    /** Z-Image-Turbo, with its Qwen3-4B and its VAE. */
    static ModelLayout turbo(Precision precision) {
        return ModelLayout.of(
                new TextEncoderConfig(2560, 36, 32, 8, 128, 9728, 1e-6, 1e6, 151_936, false),
                new TransformerConfig(
                        3840, 30, 2, 30, 1e-5, true, 2560, 16, 256, 1000, List.of(32, 48, 48), List.of(1536, 512, 512)),
                TURBO_VAE,
                precisions(precision));
    }

    /** A model of a few kilobytes with few blocks. */
    static ModelLayout small(int blocks) {
        return ModelLayout.of(
                new TextEncoderConfig(32, blocks + 1, 2, 1, 16, 64, 1e-6, 1e6, 100, false),
                new TransformerConfig(
                        64, blocks, 1, 2, 1e-5, true, 32, 4, 256, 1000, List.of(8, 12, 12), List.of(64, 64, 64)),
                new VaeConfig(4, List.of(16, 32), 1, 8, 1, 0, true, true, 3),
                precisions(Precision.FP32));
    }

    private static Map<Component, Precision> precisions(Precision precision) {
        Map<Component, Precision> precisions = new HashMap<>();
        for (Component component : Component.values()) {
            precisions.put(component, precision);
        }
        return precisions;
    }

    static Workload work(int size, int pictures) {
        return new Workload(size, size, pictures, 1, false, 8, 512, Workload.PICTURES_AT_ONCE);
    }
}
