package io.github.zimage.internal.placement;

import io.github.zimage.placement.Device;

/**
 * The memory of the device that a plan is made for.
 *
 * @param device the device
 * @param limit how many bytes may be in use, {@link Long#MAX_VALUE} if nobody knows
 * @param base how many of them go before the first weight is loaded
 * @param whole whether it is all of a card, of which a part is left to others
 * @param triesConvolutions whether cuDNN may try its convolutions, which needs room
 */
public record Machine(Device device, long limit, long base, boolean whole, boolean triesConvolutions) {
    /**
     * Measured on Linux with JDK 17 and a tiny model: 320 MiB for the JVM, LibTorch's libraries and what they allocate; with the full
     * model, 190 MiB more stay with the code caches, oneDNN, and what malloc does not give back.
     */
    private static final long CPU_BASE = 510L << 20;
    /** A context with cuBLAS, cuDNN and all kernels that were used: 733 to 741 MiB on an H200. It is not the allocator's. */
    private static final long CARD_BASE = 740L << 20;
    /** What the allocator of a card could not use for want of room in one piece: a step of 1024 x 1024 went without under 200 MiB more. */
    private static final long CARD_GAPS = 384L << 20;
    /** What of a card is left to the screen and the driver: 1 part of so many, 0.8 of 16 GiB. */
    private static final long CARD_SPARE = 20;

    /** Returns the CPU with so many bytes to use. */
    public static Machine cpu(long limit) {
        return new Machine(Device.cpu(), limit, CPU_BASE, false, false);
    }

    /** Returns a graphics card of so many bytes. */
    public static Machine card(long bytes) {
        return card(Device.cuda(0), bytes);
    }

    /** Returns a certain graphics card of so many bytes. */
    public static Machine card(Device device, long bytes) {
        return new Machine(device, bytes - bytes / CARD_SPARE, CARD_BASE + CARD_GAPS, true, false);
    }

    /** Returns a certain graphics card of which so many bytes may be used. */
    public static Machine partOfCard(Device device, long bytes) {
        return new Machine(device, bytes, CARD_BASE + CARD_GAPS, false, false);
    }

    /** Returns how much of the limit is left to tensors and the gaps between them. */
    public long tensorBytes() {
        return Math.max(0, limit - (isCpu() ? base : CARD_BASE));
    }

    /** Returns how much of what is in use the device's allocator does not tell of. */
    public long outsideAllocator() {
        return isCpu() ? 0 : CARD_BASE;
    }

    /** Returns the same machine where cuDNN may try its convolutions, or not. */
    Machine tryingConvolutions(boolean tries) {
        return new Machine(device, limit, base, whole, tries);
    }

    boolean isCpu() {
        return device.kind() == Device.Kind.CPU;
    }

    /** Returns the size to ask for so that so many bytes may be in use, in whole MiB. */
    long sizeFor(long bytes) {
        long size = whole ? Math.addExact(bytes, bytes / (CARD_SPARE - 1) + 1) : bytes;
        return (size + (1 << 20) - 1) >> 20 << 20;
    }
}
