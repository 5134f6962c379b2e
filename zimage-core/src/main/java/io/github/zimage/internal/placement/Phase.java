package io.github.zimage.internal.placement;

import io.github.zimage.Component;

/** The parts of a generation that need memory one after the other. */
public enum Phase {
    /** Prompts to embeddings. */
    TEXT(Component.TEXT_ENCODER),
    /** Embeddings and noise to latents. */
    DENOISE(Component.TRANSFORMER),
    /** Latents to pictures. */
    DECODE(Component.VAE);

    private final Component component;

    Phase(Component component) {
        this.component = component;
    }

    /** Returns the component that runs. */
    public Component component() {
        return component;
    }
}
