package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ZImageException;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.Slots;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.placement.UnitSchedule;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.weights.WeightFiles;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects streamed weights: a block that is computed with before its copy has ended, or after the next has begun, spoils the picture. */
final class PinnedBlocksTest {
    private static final int UNITS = 7;
    private static final int NUMBERS = 4096;

    @TempDir
    private Path folder;

    private final Random random = new Random(1);
    private PointerScope scope;

    @BeforeEach
    void write() throws IOException {
        NativeRuntime.load();
        scope = new PointerScope();
        StringBuilder header = new StringBuilder("{");
        int bytes = NUMBERS * Float.BYTES;
        ByteBuffer data = ByteBuffer.allocate(UNITS * bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int unit = 0; unit < UNITS; unit++) {
            header.append("%s\"u.%d.w\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%d,%d]}"
                    .formatted(unit == 0 ? "" : ",", unit, NUMBERS, unit * bytes, (unit + 1) * bytes));
            for (int i = 0; i < NUMBERS; i++) {
                data.putFloat(unit);
            }
        }
        byte[] text = header.append("}").toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + text.length + data.capacity()).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(text.length).put(text).put(data.array());
        Files.write(folder.resolve("model.safetensors"), file.array());
    }

    @AfterEach
    void end() {
        scope.close();
    }

    private PinnedBlocks<CompletableFuture<?>> blocks(FakeCard card, int room) {
        WeightIndex index = WeightFiles.open(folder, "model", null);
        return new PinnedBlocks<>(
                card,
                TensorPlace.CPU,
                index,
                IntStream.range(0, UNITS).mapToObj(unit -> "u." + unit).toList(),
                UnitLayout.of(index, "u.0", List.of("w"), StorageType.F32, List.of()),
                (long) room * NUMBERS * Float.BYTES);
    }

    @Test
    void everyBlock_isWholeWhileItIsComputedWith() {
        for (int room : new int[] {0, 4, UNITS}) {
            for (int count = 2; count <= 4; count++) {
                FakeCard card = new FakeCard(random.nextLong());
                card.room = Math.max(2, room);
                PinnedBlocks<CompletableFuture<?>> blocks = blocks(card, room);
                try {
                    for (int opened = 0; opened < 2; opened++) {
                        run(card, blocks.open(count), count);
                    }
                } finally {
                    blocks.close();
                }
                assertThat(card.wrong).as("room: %d, slots: %d", room, count).hasValue(0);
                assertThat(card.memories).as("freed").hasValue(0);
            }
        }
    }

    private <E> void run(FakeCard card, Slots<E> slots, int count) {
        try (slots) {
            UnitSchedule<E> schedule = new UnitSchedule<>(slots, count);
            List<FloatPointer> places = new ArrayList<>();
            for (int slot = 0; slot < count; slot++) {
                places.add(new FloatPointer(slots.weights(slot)
                                .get("u.0.w", ScalarType.Float)
                                .data_ptr())
                        .capacity(NUMBERS));
            }
            int[] all = IntStream.range(0, UNITS).toArray();
            for (int pass = 0; pass < 4; pass++) {
                schedule.begin(all, pass < 3 ? all : new int[0]);
                // Someone may stop in the middle.
                int end = pass == 1 ? random.nextInt(UNITS) : UNITS;
                for (int unit = 0; unit < end; unit++) {
                    FloatPointer place = places.get(schedule.take());
                    int expected = unit;
                    card.compute(() -> card.check(place, expected));
                    schedule.done();
                }
                if (end < UNITS) {
                    schedule.abandon();
                }
            }
            card.computed().join();
        }
    }

    @Test
    void fileThatEnds_failsTheComputation_notTheProcess() throws IOException {
        FakeCard card = new FakeCard(1);
        PinnedBlocks<CompletableFuture<?>> blocks = blocks(card, UNITS);
        try {
            try (RandomAccessFile file =
                    new RandomAccessFile(folder.resolve("model.safetensors").toFile(), "rw")) {
                file.setLength(file.length() - 1000);
            }
            assertThatThrownBy(() -> run(card, blocks.open(2), 2))
                    .isInstanceOf(ZImageException.class)
                    .hasMessageContaining("u.6.w");
        } finally {
            blocks.close();
        }
    }
}
