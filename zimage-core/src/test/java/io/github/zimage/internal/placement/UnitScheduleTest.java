package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Protects streamed weights from what no picture would clearly show: a block that computes with another's weights. The device here
 * carries out what it is told at any time and in any order that events allow, and looks at every slot meanwhile.
 */
@Timeout(60)
final class UnitScheduleTest {
    private static final int SCHEDULES = 10_000;

    @Test
    void anySchedule_computesWithTheRightUnits_whateverTheDeviceDelays() {
        long computed = 0;
        for (int seed = 0; seed < SCHEDULES; seed++) {
            try {
                computed += runRandomly(new Random(seed));
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
            }
        }
        assertThat(computed).as("units computed in all").isGreaterThan(SCHEDULES);
    }

    private static long runRandomly(Random random) {
        int slots = 1 + random.nextInt(4);
        FakeDevice device = new FakeDevice(slots, random, random.nextInt(4) == 0 ? 0.05 : 0);
        UnitSchedule<FakeDevice.Order> schedule = new UnitSchedule<>(device, slots);
        int[] step = randomUnits(random, 1 + random.nextInt(12));
        int[] before = randomUnits(random, random.nextInt(4));
        boolean liars = random.nextInt(4) == 0;
        int runs = 1 + random.nextInt(3);
        for (int run = 0; run < runs; run++) {
            List<int[]> passes = new ArrayList<>();
            passes.add(before);
            int steps = 1 + random.nextInt(4);
            for (int i = 0; i < steps; i++) {
                passes.add(step);
            }
            for (int i = 0; i < passes.size(); i++) {
                int[] next = i + 1 < passes.size() ? passes.get(i + 1) : new int[0];
                // What follows may turn out to be something else than was expected.
                int[] expected = liars && random.nextBoolean() ? randomUnits(random, random.nextInt(6)) : next;
                if (!runPass(schedule, device, passes.get(i), expected, random)) {
                    break;
                }
                if (expected.length == 0) {
                    assertThat(device.fillsWithoutUse()).as("useless fills").isZero();
                }
            }
        }
        device.finish();
        return device.computed;
    }

    /** Returns whether the pass came to its end. */
    private static boolean runPass(
            UnitSchedule<FakeDevice.Order> schedule, FakeDevice device, int[] units, int[] next, Random random) {
        int end = random.nextInt(10) == 0 ? random.nextInt(units.length + 1) : units.length;
        schedule.begin(units, next);
        for (int i = 0; i < end; i++) {
            int slot;
            try {
                slot = schedule.take();
            } catch (FakeDevice.FailedCopy e) {
                schedule.abandon();
                return false;
            }
            device.compute(units[i], slot);
            if (random.nextInt(40) == 0) {
                schedule.abandon();
                return false;
            }
            schedule.done();
        }
        if (end < units.length) {
            schedule.abandon();
            return false;
        }
        return true;
    }

    private static int[] randomUnits(Random random, int count) {
        return IntStream.generate(() -> random.nextInt(40))
                .distinct()
                .limit(count)
                .toArray();
    }

    // The point of it all: that copies run while the device computes, across the end of a pass.
    @Test
    void slots_areFilledAheadOfUse_alsoForTheNextPass() {
        FakeDevice device = new FakeDevice(3, new Random(1), 0);
        UnitSchedule<FakeDevice.Order> schedule = new UnitSchedule<>(device, 3);
        int[] units = {0, 1, 2, 3};
        schedule.begin(units, units);
        assertThat(device.filledUnits).containsExactly(0, 1, 2);
        runAll(schedule, device, units);
        assertThat(device.filledUnits).containsExactly(0, 1, 2, 3, 0, 1, 2);
        schedule.begin(units, new int[0]);
        runAll(schedule, device, units);
        assertThat(device.filledUnits).containsExactly(0, 1, 2, 3, 0, 1, 2, 3);
        device.finish();
    }

    private static void runAll(UnitSchedule<FakeDevice.Order> schedule, FakeDevice device, int[] units) {
        for (int unit : units) {
            device.compute(unit, schedule.take());
            schedule.done();
        }
    }

    @Test
    void passThatFollowsAnother_thanWasExpected_abandonsWhatIsNotNeeded() {
        FakeDevice device = new FakeDevice(2, new Random(1), 0);
        UnitSchedule<FakeDevice.Order> schedule = new UnitSchedule<>(device, 2);
        schedule.begin(new int[] {0}, new int[] {1, 2});
        runAll(schedule, device, new int[] {0});
        schedule.begin(new int[] {1, 5}, new int[0]);
        assertThat(device.filledUnits).containsExactly(0, 1, 2, 5);
        runAll(schedule, device, new int[] {1, 5});
        assertThat(device.abandonedUnits).containsExactly(2);
        device.finish();
    }

    // A copy that failed must not be taken for one that was made ahead.
    @Test
    void failedCopy_isMadeAgain() {
        FakeDevice device = new FakeDevice(2, new Random(1), 1);
        UnitSchedule<FakeDevice.Order> schedule = new UnitSchedule<>(device, 2);
        schedule.begin(new int[] {0, 1}, new int[0]);
        device.finish();
        assertThatThrownBy(schedule::take).isInstanceOf(FakeDevice.FailedCopy.class);
        schedule.abandon();
        device.failures = 0;
        schedule.begin(new int[] {0, 1}, new int[0]);
        assertThat(device.filledUnits).containsExactly(0, 1, 0, 1);
        runAll(schedule, device, new int[] {0, 1});
        device.finish();
    }

    @Test
    void wrongOrderOfCalls_isRefused() {
        FakeDevice device = new FakeDevice(2, new Random(1), 0);
        UnitSchedule<FakeDevice.Order> schedule = new UnitSchedule<>(device, 2);
        assertThatIllegalStateException().isThrownBy(schedule::take);
        schedule.begin(new int[] {3}, new int[0]);
        schedule.take();
        assertThatIllegalStateException().isThrownBy(schedule::take);
        assertThatIllegalStateException().isThrownBy(() -> schedule.begin(new int[] {3}, new int[0]));
        schedule.done();
        assertThatIllegalStateException().isThrownBy(schedule::take);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new UnitSchedule<>(device, 0))
                .withMessage("slots must be 1 or more, but was 0");
    }

    /**
     * A device with one queue for computations, which run in order, and copies that run in any order. Both take time, and other things
     * happen meanwhile. A slot remembers what is in it, what is being written and whether it is being read.
     */
    private static final class FakeDevice implements UnitSchedule.Device<FakeDevice.Order> {
        private static final int EMPTY = -1;
        private static final int TORN = -2;

        private final Random random;
        private double failures;
        private final int[] contents;
        private final @Nullable Order[] writers;
        private final boolean[] read;
        private final List<Order> copies = new ArrayList<>();
        private final List<Order> queue = new ArrayList<>();
        private final List<Order> usable = new ArrayList<>();
        final List<Integer> filledUnits = new ArrayList<>();
        final List<Integer> abandonedUnits = new ArrayList<>();
        long computed;
        private int happenings;
        private boolean failedBefore;

        private enum Kind {
            COPY,
            WAIT,
            COMPUTE,
            MARK
        }

        private static final class FailedCopy extends RuntimeException {
            private static final long serialVersionUID = 1L;
        }

        static final class Order {
            final Kind kind;
            final int unit;
            final int slot;
            final @Nullable Order after;
            boolean begun;
            boolean ended;
            boolean failed;
            boolean abandoned;

            Order(Kind kind, int unit, int slot, @Nullable Order after) {
                this.kind = kind;
                this.unit = unit;
                this.slot = slot;
                this.after = after;
            }
        }

        FakeDevice(int slots, Random random, double failures) {
            this.random = random;
            this.failures = failures;
            contents = new int[slots];
            Arrays.fill(contents, EMPTY);
            writers = new Order[slots];
            read = new boolean[slots];
        }

        @Override
        public Order fill(int unit, int slot, @Nullable Order after) {
            Order copy = new Order(Kind.COPY, unit, slot, after);
            copies.add(copy);
            usable.add(copy);
            filledUnits.add(unit);
            letTimePass();
            return copy;
        }

        @Override
        public void computeAfter(Order filled) {
            assertThat(filled.abandoned).as("wait for an abandoned copy").isFalse();
            usable.remove(filled);
            if (random.nextInt(3) == 0) {
                // As a device does that cannot make its computations wait by themselves.
                while (!filled.ended) {
                    stepOnce();
                }
            }
            if (filled.ended && filled.failed) {
                throw new FailedCopy();
            }
            queue.add(new Order(Kind.WAIT, filled.unit, filled.slot, filled));
            letTimePass();
        }

        void compute(int unit, int slot) {
            queue.add(new Order(Kind.COMPUTE, unit, slot, null));
            letTimePass();
        }

        @Override
        public Order computed() {
            Order mark = new Order(Kind.MARK, EMPTY, EMPTY, null);
            queue.add(mark);
            letTimePass();
            return mark;
        }

        @Override
        public void abandon(Order filled) {
            filled.abandoned = true;
            usable.remove(filled);
            abandonedUnits.add(filled.unit);
            letTimePass();
        }

        int fillsWithoutUse() {
            return usable.size();
        }

        void finish() {
            while (!copies.isEmpty() || !queue.isEmpty()) {
                stepOnce();
            }
        }

        private void letTimePass() {
            for (int i = random.nextInt(6); i > 0; i--) {
                stepOnce();
            }
        }

        /** Begins or ends a copy, or the first computation of the queue. */
        private void stepOnce() {
            assertThat(++happenings)
                    .as("things that happen; more means that nothing gets on")
                    .isLessThan(100_000);
            if (!copies.isEmpty() && (queue.isEmpty() || random.nextBoolean())) {
                stepCopy(copies.get(random.nextInt(copies.size())));
            } else if (!queue.isEmpty()) {
                stepQueue(queue.get(0));
            }
        }

        private void stepCopy(Order copy) {
            if (!copy.begun) {
                if (copy.after == null || copy.after.ended) {
                    assertThat(read[copy.slot])
                            .as("slot %d is refilled while in use", copy.slot)
                            .isFalse();
                    assertThat(writers[copy.slot])
                            .as("two copies into slot %d", copy.slot)
                            .isNull();
                    copy.begun = true;
                    writers[copy.slot] = copy;
                    contents[copy.slot] = TORN;
                }
                return;
            }
            copy.failed = copy.abandoned ? random.nextBoolean() : random.nextDouble() < failures;
            contents[copy.slot] = copy.failed ? TORN : copy.unit;
            writers[copy.slot] = null;
            copy.ended = true;
            copies.remove(copy);
        }

        private void stepQueue(Order order) {
            switch (order.kind) {
                case WAIT -> {
                    Order awaited = order.after;
                    if (awaited == null || awaited.ended) {
                        queue.remove(0);
                        failedBefore |= awaited != null && awaited.failed;
                    }
                }
                case MARK -> {
                    order.ended = true;
                    queue.remove(0);
                }
                case COMPUTE -> {
                    // After a failed copy that nobody has heard of yet, the device computes nonsense, which will be
                    // thrown away.
                    if (!failedBefore) {
                        assertThat(contents[order.slot])
                                .as("what is in slot %d", order.slot)
                                .isEqualTo(order.unit);
                    }
                    assertThat(writers[order.slot])
                            .as("copy into slot %d in use", order.slot)
                            .isNull();
                    read[order.slot] = !read[order.slot];
                    if (!read[order.slot]) {
                        queue.remove(0);
                        failedBefore = false;
                        computed++;
                    }
                }
                default -> throw new AssertionError(order.kind);
            }
        }
    }
}
