package io.github.zimage.internal.pipeline;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.VaeTiling;
import io.github.zimage.internal.placement.Residence;
import java.util.Map;
import java.util.Objects;

/**
 * How an engine computes.
 *
 * @param precisions each component's precision
 * @param attention the attention backend's name, for components on the transformer's device
 * @param vaeTiling whether pictures are decoded in tiles
 * @param residences how components' weights stay in memory, for those whose weights are not resident
 * @param hardware what is computed on
 * @param compiled whether the transformer's work is recorded and replayed, where the device can and the weights are resident
 * @param packed whether matrices of a resident transformer may be in private memory, laid out for the processor, instead of mapped
 */
public record EngineOptions(
        Map<Component, Precision> precisions,
        AttentionBackend attention,
        VaeTiling vaeTiling,
        Map<Component, Residence> residences,
        Hardware hardware,
        boolean compiled,
        boolean packed) {

    /** Returns options for a CPU with memory for all. */
    public EngineOptions(
            Map<Component, Precision> precisions,
            AttentionBackend attention,
            VaeTiling vaeTiling,
            Map<Component, Residence> residences) {
        this(precisions, attention, vaeTiling, residences, Hardware.CPU, false, true);
    }

    /** Returns the same with another decoding and other residences, and nothing recorded, for want of memory. */
    public EngineOptions smaller(VaeTiling tiling, Map<Component, Residence> otherResidences) {
        return new EngineOptions(precisions, attention, tiling, otherResidences, hardware, false, false);
    }

    /** Copies the maps. */
    public EngineOptions {
        precisions = Map.copyOf(precisions);
        residences = Map.copyOf(residences);
        Residence vae = residences.get(Component.VAE);
        if (vae != null && vae.kind() == Residence.Kind.STREAMED) {
            throw new IllegalArgumentException("the VAE must be resident or parked, but was " + vae);
        }
    }

    /** Returns a component's precision. */
    public Precision precision(Component component) {
        return Objects.requireNonNull(precisions.get(component));
    }

    /** Returns how a component's weights stay in memory. */
    public Residence residence(Component component) {
        return residences.getOrDefault(component, Residence.resident());
    }
}
