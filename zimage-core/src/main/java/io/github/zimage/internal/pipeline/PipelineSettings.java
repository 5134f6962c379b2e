package io.github.zimage.internal.pipeline;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.ConversionCache;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.internal.placement.ComponentSettings;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import io.github.zimage.tuning.Profile;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How a pipeline shall be.
 *
 * @param profile the profile that was given, if one was, for its model and its step cache; the rest of it is in the other settings
 * @param precisions each component's precision
 * @param attention how attention is computed
 * @param vaeTiling whether pictures are decoded in tiles
 * @param maxPromptTokens how many tokens a prompt may have
 * @param truncatePrompts whether one that has more is cut off, instead of being refused
 * @param conversionCache where converted weights are kept
 * @param placements where weights are, of components for which the user said so
 * @param devices what computes; empty to take the best there is
 * @param compileTransformer whether the transformer's work is recorded and replayed
 * @param readWeights whether weights are read into memory instead of being mapped
 * @param memoryBudget how much memory may be used; null for what is available
 * @param threads how many threads compute; null for LibTorch's choice
 * @param plannedRequest what the memory is planned for
 * @param loras the LoRAs of requests that name none, and where those are that they name
 * @param controlNet the ControlNet's file or folder; null for none
 * @param listener hears how loading gets on
 */
public record PipelineSettings(
        @Nullable Profile profile,
        Map<Component, Precision> precisions,
        AttentionBackend attention,
        VaeTiling vaeTiling,
        int maxPromptTokens,
        boolean truncatePrompts,
        ConversionCache conversionCache,
        Map<Component, Placement> placements,
        List<Device> devices,
        boolean compileTransformer,
        boolean readWeights,
        @Nullable MemorySize memoryBudget,
        @Nullable Integer threads,
        GenerationRequest plannedRequest,
        LoraChoice loras,
        @Nullable Path controlNet,
        GenerationListener listener) {

    /** Copies the collections, and keeps the order of components. */
    public PipelineSettings {
        precisions = Collections.unmodifiableMap(new LinkedHashMap<>(precisions));
        placements = Map.copyOf(placements);
        devices = List.copyOf(devices);
    }

    /** Returns what the memory is planned for. */
    Workload plannedWork() {
        GenerationRequest planned = plannedRequest.loras() == null
                ? plannedRequest.toBuilder().loras(loras.always()).build()
                : plannedRequest;
        Workload work = Workload.of(planned, maxPromptTokens);
        return controlNet == null ? work : work.controlledBy(1);
    }

    /** Returns what a component computes on, in a pipeline that computes on a device. */
    Device deviceOf(Component component, Device computing) {
        Placement placement = ComponentSettings.of(placements, component);
        Device own = placement == null || placement.kind() != Placement.Kind.ON ? null : placement.device();
        return own == null ? computing : own;
    }
}
