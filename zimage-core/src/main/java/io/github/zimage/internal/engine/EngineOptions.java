package io.github.zimage.internal.engine;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.placement.ComponentSettings;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.placement.VaeTiling;
import java.util.List;
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
 * @param limits what keeps a generation within its plan
 * @param packed whether matrices of a resident transformer may be in private memory, laid out for the processor, instead of mapped
 */
public record EngineOptions(
        Map<Component, Precision> precisions,
        AttentionBackend attention,
        VaeTiling vaeTiling,
        Map<Component, Residence> residences,
        Hardware hardware,
        boolean compiled,
        Limits limits,
        boolean packed) {

    /**
     * What keeps a generation within its plan.
     *
     * @param picturesAtOnce how many pictures go through a block in a row
     * @param roomToDecode how many bytes decoding a picture may take
     */
    public record Limits(int picturesAtOnce, long roomToDecode) {
        /** Those where memory is not short. */
        public static final Limits NONE = new Limits(Workload.PICTURES_AT_ONCE, Long.MAX_VALUE);
    }

    /** Returns options for a CPU with memory for all. */
    public EngineOptions(
            Map<Component, Precision> precisions,
            AttentionBackend attention,
            VaeTiling vaeTiling,
            Map<Component, Residence> residences) {
        this(precisions, attention, vaeTiling, residences, Hardware.CPU, false, Limits.NONE, true);
    }

    /** Returns the same with other residences and limits, and what only saves time left out, for want of memory. */
    public EngineOptions smaller(
            VaeTiling tiling,
            Map<Component, Residence> otherResidences,
            boolean triesConvolutions,
            Limits otherLimits) {
        return new EngineOptions(
                precisions,
                attention,
                tiling,
                otherResidences,
                hardware.tryingConvolutions(triesConvolutions),
                false,
                otherLimits,
                false);
    }

    /** Copies the maps. */
    public EngineOptions {
        precisions = Map.copyOf(precisions);
        residences = Map.copyOf(residences);
        for (Component whole : List.of(Component.VAE, Component.VAE_ENCODER, Component.UPSCALER)) {
            Residence residence = residences.get(whole);
            if (residence != null && residence.kind() == Residence.Kind.STREAMED) {
                throw new IllegalArgumentException(
                        "%s must be resident or parked, but was %s".formatted(whole, residence));
            }
        }
    }

    /** Returns a component's precision. */
    public Precision precision(Component component) {
        return Objects.requireNonNull(ComponentSettings.of(precisions, component));
    }

    /** Returns how a component's weights stay in memory. */
    public Residence residence(Component component) {
        return residences.getOrDefault(component, Residence.resident());
    }
}
