package io.github.zimage.internal.placement;

import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;

/**
 * What a request has in memory from its first step until it is done, and how many tokens that is.
 *
 * @param transformer the transformer's shape
 * @param vae the VAE's shape
 */
record RequestMemory(TransformerConfig transformer, VaeConfig vae) {
    /** A complex number of two floats, half as many as a head has features, for queries and for keys. */
    static final int ROTATION_BYTES_PER_FEATURE = 8;

    private static final int SEQUENCE_MULTIPLE = 32;

    /** What is kept until a request is done: captions, latents, rotations, finished pictures on the heap. */
    long kept(Workload work) {
        long captions = captions(work) * captionTokens(work) * Float.BYTES * (long) transformer.dim();
        long rotations = captions(work)
                * (captionTokens(work) + imageTokens(work))
                * ROTATION_BYTES_PER_FEATURE
                * (long) transformer.headDim();
        long latents = (long) work.pictures() * latentPixels(work) * transformer.inChannels() * Float.BYTES;
        long heap = (long) work.pictures() * work.width() * work.height() * 3;
        return captions + rotations + latents + heap + source(work);
    }

    /**
     * What is kept of a picture that others start from: its pixels as they are encoded and put back, a mask of them, both moments of its latents on the
     * heap; and for each picture its latents with and without noise.
     */
    long source(Workload work) {
        if (!work.fromPicture()) {
            return 0;
        }
        long pixels = (long) work.width() * work.height() * 4;
        return pixels + (2L + 2L * work.pictures()) * latentPixels(work) * transformer.inChannels() * Float.BYTES;
    }

    /** One for each prompt, and one for the negative prompt, or one beside each of another length. */
    static long captions(Workload work) {
        return (long) work.prompts() + (work.avoiding() ? work.prompts() : work.guided() ? 1 : 0);
    }

    static long captionTokens(Workload work) {
        return padded(work.promptTokens());
    }

    long imageTokens(Workload work) {
        int patch = TransformerConfig.PATCH_SIZE;
        return padded(latentPixels(work) / patch / patch);
    }

    long latentPixels(Workload work) {
        return (long) (work.height() / vae.scale()) * (work.width() / vae.scale());
    }

    private static long padded(long tokens) {
        return (tokens + SEQUENCE_MULTIPLE - 1) / SEQUENCE_MULTIPLE * SEQUENCE_MULTIPLE;
    }
}
