package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects where blocks lie: the memory that a plan counts on, and the times at which copies run. */
final class ResidentBlocksTest {
    @TempDir
    Path folder;

    // Copies hide behind computing only if they are spread over the whole pass.
    @Test
    void residentBlocks_areAsManyAsAskedFor_andSpreadEvenly() {
        for (int blocks = 1; blocks <= 40; blocks++) {
            for (int resident = 0; resident <= blocks + 1; resident++) {
                Residence residence = Residence.streamed(resident, 2);
                int count = blocks;
                int[] staying = IntStream.range(0, blocks)
                        .filter(block -> residence.stays(block, count))
                        .toArray();
                assertThat(staying).hasSize(Math.min(resident, blocks));
                for (int i = 1; i < staying.length; i++) {
                    int gap = staying[i] - staying[i - 1];
                    assertThat(gap).isBetween(blocks / staying.length, (blocks + staying.length - 1) / staying.length);
                }
            }
        }
        assertThat(Residence.resident().stays(3, 4)).isTrue();
        assertThat(Residence.parked().stays(3, 4)).isTrue();
    }

    @Test
    void layout_isAligned_andKeepsTheOrder_andTheTypes() {
        SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.FP32, 1, bytes -> {});
        WeightIndex index = Checkpoint.open(folder, null).weights(Component.TRANSFORMER);
        UnitLayout layout = UnitLayout.of(
                index,
                "layers.1",
                List.of("attention.to_q.weight", "feed_forward.w1.weight"),
                StorageType.BF16,
                List.of("attention.norm_q.weight", "attention_norm1.weight"));
        assertThat(layout.parts())
                .containsExactly(
                        new UnitLayout.Part("attention.to_q.weight", StorageType.BF16, List.of(96L, 96L), 0),
                        new UnitLayout.Part("feed_forward.w1.weight", StorageType.BF16, List.of(256L, 96L), 18_432),
                        new UnitLayout.Part("attention.norm_q.weight", StorageType.F32, List.of(32L), 67_584),
                        new UnitLayout.Part("attention_norm1.weight", StorageType.F32, List.of(96L), 67_712));
        assertThat(layout.byteSize()).isEqualTo(67_712 + 96 * 4);
    }
}
