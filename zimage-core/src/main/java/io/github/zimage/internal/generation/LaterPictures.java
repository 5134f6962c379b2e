package io.github.zimage.internal.generation;

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
    @Override
    public InitialLatents prepared(Session session) {
        return new LaterPictures(all.prepared(session), first);
    }

    @Override
    public InitialLatents from(int firstPicture) {
        return new LaterPictures(all, first + firstPicture);
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
