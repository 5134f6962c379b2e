package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Sampling.Sampler;
import io.github.zimage.Sampling.Schedule;
import io.github.zimage.placement.Placement;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Protects that each sampler and schedule reaches the pictures, the same wherever the weights are and whatever is drawn beside. */
final class SamplingPipelineTest {
    @TempDir
    static Path folder;

    private ZImagePipeline resident;

    @BeforeEach
    void open() {
        resident = TinyModel.pipeline(folder).build();
    }

    @AfterEach
    void close() {
        resident.close();
    }

    @ParameterizedTest
    @EnumSource(Sampler.class)
    void sampler_drawsTheSameAloneTogetherAndStreamed(Sampler sampler) {
        GenerationRequest request = TinyModel.request()
                .steps(3)
                .sampling(Sampling.of(sampler))
                .count(3)
                .build();
        List<GeneratedImage> together = resident.generateAll(request);
        List<GeneratedImage> fromDisk;
        try (ZImagePipeline streamed = TinyModel.pipeline(folder)
                .place(Component.TRANSFORMER, Placement.streamedFromDisk())
                .build()) {
            fromDisk = streamed.generateAll(request);
        }
        for (int i = 0; i < together.size(); i++) {
            long seed = request.seedOf(i);
            GeneratedImage alone =
                    resident.generate(request.toBuilder().count(1).seed(seed).build());
            assertThat(alone.latents().values())
                    .isEqualTo(together.get(i).latents().values());
            assertThat(fromDisk.get(i).latents().values())
                    .isEqualTo(together.get(i).latents().values());
        }
    }

    @ParameterizedTest
    @EnumSource(Sampler.class)
    void oneStep_isPossible(Sampler sampler) {
        GenerationRequest request =
                TinyModel.request().steps(1).sampling(Sampling.of(sampler)).build();
        // One step leads to what is seen in the noise, whoever takes it. UniPC sees it at a level of 1 - 1e-6.
        assertThat(resident.generate(request).latents().values())
                .usingComparatorWithPrecision(1e-4f)
                .containsExactly(resident.generate(
                                request.toBuilder().sampling(Sampling.DEFAULT).build())
                        .latents()
                        .values());
    }

    @Test
    void eachSamplerAndSchedule_drawsAPictureOfItsOwn() {
        List<float[]> drawn = new ArrayList<>();
        for (Sampler sampler : Sampler.values()) {
            drawn.add(latents(Sampling.of(sampler)));
        }
        for (Schedule schedule : Schedule.values()) {
            if (schedule != Schedule.SIMPLE) {
                drawn.add(latents(Sampling.DEFAULT.withSchedule(schedule)));
            }
        }
        drawn.add(latents(Sampling.DEFAULT.withShift(5)));
        for (int i = 0; i < drawn.size(); i++) {
            for (int j = 0; j < i; j++) {
                assertThat(drawn.get(i)).as("%s and %s", i, j).isNotEqualTo(drawn.get(j));
            }
        }
    }

    // The checkpoint's own shift is 3: to say so changes nothing.
    @Test
    void shiftOfTheCheckpoint_changesNothing() {
        assertThat(latents(Sampling.DEFAULT.withShift(3))).isEqualTo(latents(Sampling.DEFAULT));
    }

    private float[] latents(Sampling sampling) {
        return resident.generate(TinyModel.request().steps(4).sampling(sampling).build())
                .latents()
                .values();
    }
}
