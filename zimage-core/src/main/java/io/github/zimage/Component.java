package io.github.zimage;

/** A part of the model with weights of its own. */
public enum Component {
    /** The Qwen3 language model that turns a prompt into embeddings. */
    TEXT_ENCODER("text_encoder"),
    /** The diffusion transformer that turns noise into latents. */
    TRANSFORMER("transformer"),
    /** The variational autoencoder that turns latents into a picture. */
    VAE("vae");

    private final String folder;

    Component(String folder) {
        this.folder = folder;
    }

    /** Returns the name of the component's folder in a checkpoint, such as {@code text_encoder}. */
    public String folder() {
        return folder;
    }
}
