package io.github.zimage.internal.generation;

import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;

/** Pictures that start from noise alone. */
final class InitialNoise implements InitialLatents {
    @Override
    public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
        return noise::next;
    }
}
