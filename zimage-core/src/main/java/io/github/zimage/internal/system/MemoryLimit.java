package io.github.zimage.internal.system;

/**
 * How much memory this process may have for one of several reasons, all of which hold.
 *
 * @param bytes the limit; {@link Long#MAX_VALUE} if it is not told
 * @param available how many bytes could be taken without pressing anything but caches out of memory
 * @param source who sets it, such as {@code memory.max of /system.slice/zimage.service}
 */
public record MemoryLimit(long bytes, long available, String source) {}
