package io.github.zimage.internal.engine;

/**
 * A component's model, in use.
 *
 * @param model can be used until this is closed
 * @param check makes sure that nobody has written to files that are mapped
 * @param end lets the component rest
 */
public record Lease<M>(M model, Runnable check, Runnable end) implements AutoCloseable {
    /**
     * Makes sure, before the model is used again, that nobody has written to its mapped files: a page that is no longer there ends the process.
     *
     * @throws io.github.zimage.ModelLoadException if somebody has
     */
    public void requireUntouched() {
        check.run();
    }

    @Override
    public void close() {
        end.run();
    }
}
