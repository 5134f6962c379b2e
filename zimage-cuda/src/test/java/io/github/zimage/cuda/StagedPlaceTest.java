package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.runtime.NativeRuntime;
import java.util.concurrent.CompletableFuture;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Protects weights on their way to a card: memory that is filled again before the card has read it spoils every picture. */
final class StagedPlaceTest {
    private static final long PIECE = 300_000;
    private static final int NUMBERS = 1 << 19; // seven pieces, the last one smaller

    private final FakeCard card = new FakeCard(1);

    @BeforeEach
    void load() {
        NativeRuntime.load();
    }

    private StagedPlace<CompletableFuture<?>> place() {
        return new StagedPlace<>(DeviceType.CPU, 0, () -> card, PIECE);
    }

    private static Tensor filled(float value, int numbers) {
        return torch.full(new long[] {numbers / 8, 8}, new Scalar(value), new TensorOptions(ScalarType.Float));
    }

    private void check(Tensor tensor, float expected) {
        FloatPointer numbers = new FloatPointer(tensor.data_ptr()).capacity(tensor.numel());
        card.compute(() -> card.check(numbers, expected));
    }

    @Test
    void tensor_arrivesWhole_thoughItsSourceIsOverwritten_andAfterWhatWasComputedWithItsPlace() {
        try (PointerScope scope = new PointerScope();
                StagedPlace<CompletableFuture<?>> place = place()) {
            Tensor target = filled(0, NUMBERS);
            for (int round = 1; round < 20; round++) {
                Tensor source = filled(round, NUMBERS);
                check(target, round - 1);
                place.put(source, target);
                source.fill_(new Scalar(-1));
                check(target, round);
            }
            Tensor source = filled(77, NUMBERS);
            Tensor taken = place.take(source);
            source.fill_(new Scalar(-1));
            check(taken, 77);
            assertThat(taken.sizes().vec().get()).containsExactly(NUMBERS / 8, 8);
            assertThat(card.memories).as("pieces").hasValue(2);
            card.computed().join();
        }
        assertThat(card.wrong).hasValue(0);
        assertThat(card.memories).as("freed").hasValue(0);
    }

    @Test
    void smallTensors_andOthersThanRows_goTheUsualWay() {
        try (PointerScope scope = new PointerScope();
                StagedPlace<CompletableFuture<?>> place = place()) {
            Tensor small = place.empty(ScalarType.Float, 4, 8);
            place.put(filled(3, 32), small);
            assertThat(small.sum().item_float()).isEqualTo(96);
            Tensor turned = place.empty(ScalarType.Float, 8, NUMBERS / 8);
            place.put(filled(3, NUMBERS).t(), turned);
            Tensor rounded = place.empty(ScalarType.BFloat16, NUMBERS / 8, 8);
            place.put(filled(3, NUMBERS), rounded);
            assertThat(turned.eq(new Scalar(3)).all().item_bool()).isTrue();
            assertThat(rounded.eq(new Scalar(3)).all().item_bool()).isTrue();
            assertThat(card.memories).hasValue(0);
        }
    }

    @Test
    void machineWithoutSuchMemory_copiesTheUsualWay() {
        card.room = 1;
        try (PointerScope scope = new PointerScope();
                StagedPlace<CompletableFuture<?>> place = place()) {
            for (int round = 1; round < 3; round++) {
                Tensor target = filled(0, NUMBERS);
                place.put(filled(round, NUMBERS), target);
                assertThat(target.eq(new Scalar(round)).all().item_bool()).isTrue();
            }
        }
        assertThat(card.memories).as("freed").hasValue(0);
    }
}
