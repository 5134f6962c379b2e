package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.placement.Device;
import java.util.Comparator;
import java.util.Map;
import java.util.Objects;

/**
 * Where all weights are, and what that needs.
 *
 * @param machine what it is made for
 * @param layout the model
 * @param work what is drawn
 * @param residences how the weights stay on the machine's device; a component that is not in it lives on another
 * @param devices what each component computes on
 * @param tile how many rows of a picture are decoded at a time, or 0 for whole pictures
 * @param weights the bytes of each component's weights on the device while it runs; none for one beside a card
 * @param peaks the most bytes in use on the device in each phase that the work goes through
 * @param moved the bytes of weights that come to the device for each request
 */
public record Plan(
        Machine machine,
        ModelLayout layout,
        Workload work,
        Map<Component, Residence> residences,
        Map<Component, Device> devices,
        int tile,
        Map<Component, Long> weights,
        Map<Phase, Long> peaks,
        long moved) {

    /** Copies the maps. */
    public Plan {
        residences = Map.copyOf(residences);
        devices = Map.copyOf(devices);
        weights = Map.copyOf(weights);
        peaks = Map.copyOf(peaks);
    }

    /** Returns how much of a component's weights is on the device while it runs. */
    public long bytesOf(Component component) {
        return weights.getOrDefault(component, 0L);
    }

    /** Returns what a phase needs in all. */
    public long peak(Phase phase) {
        return Objects.requireNonNull(peaks.get(phase));
    }

    /** Returns the most that any phase needs. */
    public long peak() {
        return peak(fullest());
    }

    /** Returns the phase that needs most, the first of them if several do. */
    public Phase fullest() {
        return layout.phases(work).stream()
                .max(Comparator.comparingLong(this::peak))
                .orElseThrow();
    }

    /** Returns whether cuDNN may try its convolutions. */
    public boolean triesConvolutions() {
        return machine.triesConvolutions();
    }

    /** Returns whether it needs no more than the machine has. */
    public boolean fits() {
        return peak() <= machine.limit();
    }
}
