package io.github.zimage.spring;

import io.github.zimage.PipelineBuilder;

/** Changes the builder of the pipeline after the properties have been applied. Beans of this type are called in their order. */
@FunctionalInterface
public interface ZImagePipelineCustomizer {

    /** Changes the builder. */
    void customize(PipelineBuilder builder);
}
