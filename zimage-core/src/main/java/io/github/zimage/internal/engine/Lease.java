package io.github.zimage.internal.engine;

/**
 * A component's model, in use.
 *
 * @param model can be used until this is closed
 * @param end lets the component rest
 */
public record Lease<M>(M model, Runnable end) implements AutoCloseable {
    @Override
    public void close() {
        end.run();
    }
}
