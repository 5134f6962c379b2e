package io.github.zimage.internal.placement;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Brings units, such as blocks of a transformer, into a few slots in the order in which they are computed with: while one computes,
 * the next ones are on their way, across the end of a pass to the first ones of the next. Orders copies and computations on a device
 * by its events, and so never waits itself. Not thread-safe.
 *
 * @param <E> what the device calls an event
 */
public final class UnitSchedule<E> {
    private static final int NONE = -1;
    private static final int[] NOTHING = {};

    private final Device<E> device;
    /** The slots that are filled or being filled and not yet computed with, in the order of their use. */
    private final Deque<Filled<E>> ahead = new ArrayDeque<>();

    private final Deque<Integer> free = new ArrayDeque<>();
    /** For each slot what must have happened before it can be filled. */
    private final List<@Nullable E> lastUses = new ArrayList<>();

    /** The units of this pass and the next. */
    private int[] plan = NOTHING;

    private int nextToFill;
    private int taken = NONE;

    private record Filled<E>(int unit, int slot, E event) {}

    /**
     * A device that copies and computes at the same time. Its methods give orders and, where the device can do without, do not wait
     * until they are carried out.
     *
     * @param <E> something that will have happened when an order is carried out, even if that failed
     */
    public interface Device<E> {
        /**
         * Orders that a unit be copied into a slot.
         *
         * @param after what must have happened before, or null
         * @return the end of the copy
         */
        E fill(int unit, int slot, @Nullable E after);

        /** Orders that what is computed from now on wait for the end of a copy. Throws if the copy is known to have failed. */
        void computeAfter(E filled);

        /** Returns the end of all computations that have been ordered. */
        E computed();

        /** Tells that nothing will be computed with what a copy brings, so that it may end early. */
        void abandon(E filled);
    }

    /** Creates a schedule for slots that are empty. */
    public UnitSchedule(Device<E> device, int slots) {
        if (slots < 1) {
            throw new IllegalArgumentException("slots must be 1 or more, but was " + slots);
        }
        this.device = device;
        for (int slot = 0; slot < slots; slot++) {
            free.add(slot);
            lastUses.add(null);
        }
    }

    /**
     * Begins a pass.
     *
     * @param units the units that will be taken, in order
     * @param next those of the pass that will follow, if one does, else none
     */
    public void begin(int[] units, int[] next) {
        if (taken != NONE) {
            throw new IllegalStateException("a pass can begin only when the last unit is done");
        }
        plan = Arrays.copyOf(units, units.length + next.length);
        System.arraycopy(next, 0, plan, units.length, next.length);
        int expected = 0;
        for (Filled<E> filled : ahead) {
            if (expected == plan.length || filled.unit() != plan[expected]) {
                break;
            }
            expected++;
        }
        abandonAllBut(expected);
        nextToFill = expected;
        fillAhead();
    }

    /** Returns the slot of the pass's next unit. What is computed until {@link #done} can use it. */
    public int take() {
        if (taken != NONE || ahead.isEmpty()) {
            throw new IllegalStateException("the pass has no further unit, or the last one is not done");
        }
        Filled<E> next = ahead.element();
        device.computeAfter(next.event());
        ahead.remove();
        taken = next.slot();
        return taken;
    }

    /** Ends the use of the slot that was taken. */
    public void done() {
        giveBack();
        fillAhead();
    }

    /** Ends the pass before its end, or after a failure. */
    public void abandon() {
        if (taken != NONE) {
            giveBack();
        }
        abandonAllBut(0);
        plan = NOTHING;
        nextToFill = 0;
    }

    private void giveBack() {
        lastUses.set(taken, device.computed());
        free.add(taken);
        taken = NONE;
    }

    private void abandonAllBut(int count) {
        while (ahead.size() > count) {
            Filled<E> last = ahead.removeLast();
            device.abandon(last.event());
            lastUses.set(last.slot(), last.event());
            free.add(last.slot());
        }
    }

    private void fillAhead() {
        while (nextToFill < plan.length && !free.isEmpty()) {
            int unit = plan[nextToFill];
            int slot = free.element();
            ahead.add(new Filled<>(unit, slot, device.fill(unit, slot, lastUses.get(slot))));
            free.remove();
            nextToFill++;
        }
    }
}
