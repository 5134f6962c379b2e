package io.github.zimage.internal.generation;

import io.github.zimage.Latents;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import java.util.List;

/**
 * Pictures that start from latents which the caller has.
 *
 * @param latents one a picture, at the schedule's first noise level
 */
record GivenLatents(List<Latents> latents) implements InitialLatents {
    @Override
    public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
        Latents given = latents.get(picture);
        return () -> place.of(given.values(), given.channels(), given.height(), given.width());
    }
}
