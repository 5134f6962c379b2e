package io.github.zimage.cuda;

import io.github.zimage.placement.MemorySize;
import java.util.List;

/**
 * A card.
 *
 * @param index its number, as CUDA counts
 * @param name what its maker calls it
 * @param capability its compute capability times 10, such as 90
 * @param bytes its memory
 */
record CudaCard(int index, String name, int capability, long bytes) {
    /** What the presets' LibTorch has code for. It has none that a driver could translate for others. */
    static final List<Integer> BUILT_FOR = List.of(75, 80, 90, 100, 120);

    /** Returns whether LibTorch has code for the card: that of its generation, if not for a later one of it. */
    boolean isSupported() {
        return BUILT_FOR.stream().anyMatch(built -> built / 10 == capability / 10 && built <= capability);
    }

    /** Returns the compute capability as NVIDIA writes it. */
    String capabilityText() {
        return capability / 10 + "." + capability % 10;
    }

    @Override
    public String toString() {
        return "%s (compute capability %s, %s)".formatted(name, capabilityText(), new MemorySize(bytes));
    }
}
