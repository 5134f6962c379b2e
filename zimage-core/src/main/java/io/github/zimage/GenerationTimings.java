package io.github.zimage;

import java.time.Duration;
import java.util.List;

/**
 * Where the time of one generation went. Waiting in the pipeline's queue is not part of it.
 *
 * @param encode turning the prompts into embeddings; zero if they came with the request
 * @param denoise all steps together
 * @param decode turning the latents of this picture into pixels
 * @param steps each step by itself, in order
 */
public record GenerationTimings(Duration encode, Duration denoise, Duration decode, List<Duration> steps) {

    /** Copies the list of steps. */
    public GenerationTimings {
        steps = List.copyOf(steps);
    }
}
