package io.github.zimage.spring;

import io.github.zimage.ModelLoadException;
import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/** Says what to do where an application does not start for want of a model. */
final class ZImageFailureAnalyzer extends AbstractFailureAnalyzer<ModelLoadException> {

    @Override
    protected FailureAnalysis analyze(Throwable failure, ModelLoadException cause) {
        return new FailureAnalysis(
                "The Z-Image model could not be opened: " + cause.getMessage(),
                "Set zimage.model to a folder in the diffusers layout (one with model_index.json), as an absolute path or one that is relative to "
                        + "the working directory. For tests, add zimage-demo, whose model is used where none is set.",
                cause);
    }
}
