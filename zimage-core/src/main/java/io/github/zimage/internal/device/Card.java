package io.github.zimage.internal.device;

import io.github.zimage.placement.Device;

/**
 * A device that can be used.
 *
 * @param device its name here
 * @param name the maker's name for it
 * @param capability what it can do, in the maker's numbers, such as {@code 9.0}
 * @param totalBytes the size of its memory
 * @param freeBytes how much of it was free when it was looked at
 */
public record Card(Device device, String name, String capability, long totalBytes, long freeBytes) {}
