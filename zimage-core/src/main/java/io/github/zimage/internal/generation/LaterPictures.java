package io.github.zimage.internal.generation;

import io.github.zimage.GenerationListener;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;

/**
 * The start of some of an order's pictures.
 *
 * @param all that of all
 * @param first the index of the first
 */
record LaterPictures(InitialLatents all, int first) implements InitialLatents {
    /** Returns the start of a part of the pictures: those from one of them on. */
    static InitialLatents of(InitialLatents all, int first) {
        if (first == 0) {
            return all;
        }
        return all instanceof LaterPictures later
                ? new LaterPictures(later.all, later.first + first)
                : new LaterPictures(all, first);
    }

    @Override
    public InitialLatents prepare(Session session) {
        return new LaterPictures(all.prepare(session), first);
    }

    @Override
    public GenerationListener heard(GenerationListener listener) {
        return all.heard(listener);
    }

    @Override
    public float[] levels(float[] whole) {
        return all.levels(whole);
    }

    @Override
    public int wholeSteps(int steps) {
        return all.wholeSteps(steps);
    }

    @Override
    public DrawnImage finish(DrawnImage drawn) {
        return all.finish(drawn);
    }

    @Override
    public NoiseSchedule schedule(NoiseSchedule whole) {
        return all.schedule(whole);
    }

    @Override
    public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
        return all.begin(first + picture, schedule, noise, place);
    }
}
