package io.github.zimage.batch;

import io.github.zimage.GenerationRequest;

/**
 * A picture to draw.
 *
 * @param key what it is named by: the same for the same request, model and precision
 * @param id the row's own name, or its number
 * @param request one picture, with its seed
 */
record BatchJob(String key, String id, GenerationRequest request) {}
