package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.placement.ComponentSettings;
import io.github.zimage.placement.Device;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;

/**
 * What an engine computes on.
 *
 * @param device the pipeline's device, whose memory is planned
 * @param devices those of components that compute elsewhere
 * @param inMemory components whose blocks, if they come and go, may wait in main memory
 * @param limit how many bytes tensors may take on a card, if that is limited
 * @param triesConvolutions whether cuDNN may try its convolutions, which needs room
 */
public record Hardware(
        Device device,
        Map<Component, Device> devices,
        Set<Component> inMemory,
        OptionalLong limit,
        boolean triesConvolutions) {
    /** The processor, for all. */
    public static final Hardware CPU = new Hardware(Device.cpu(), Map.of(), Set.of(), OptionalLong.empty(), false);

    /** Copies the collections. */
    public Hardware {
        devices = Map.copyOf(devices);
        inMemory = Set.copyOf(inMemory);
    }

    /** Returns the same where cuDNN may try its convolutions, or not. */
    public Hardware tryingConvolutions(boolean tries) {
        return new Hardware(device, devices, inMemory, limit, tries);
    }

    /** Returns what a component computes on. */
    public Device device(Component component) {
        Device own = ComponentSettings.of(devices, component);
        return own == null ? device : own;
    }
}
