package io.github.zimage;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A part of the model with weights of its own. The constants are those that checkpoints have; what a model has beside them is named in the
 * same way.
 *
 * @param id its name in plans, messages and files, such as {@code text_encoder}: small letters, digits and {@code _}
 * @param folder the name of its folder in a checkpoint, or that of the component that it belongs to. Two components may share one.
 */
public record Component(String id, String folder) {
    private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9_]{0,63}");

    /** The Qwen3 language model that turns a prompt into embeddings. */
    public static final Component TEXT_ENCODER = new Component("text_encoder", "text_encoder");
    /** The diffusion transformer that turns noise into latents. */
    public static final Component TRANSFORMER = new Component("transformer", "transformer");
    /** The variational autoencoder that turns latents into a picture. */
    public static final Component VAE = new Component("vae", "vae");

    /**
     * The half of the autoencoder that turns a picture into latents, for pictures that start from another picture. What is not set for it is as for
     * {@link #VAE}, whose folder it shares.
     */
    public static final Component VAE_ENCODER = new Component("vae_encoder", "vae");

    /**
     * The network that enlarges pictures, for requests that {@linkplain GenerationRequest.Builder#upscaler name one}. It comes from a file of its own. What is
     * not set for it is as for {@link #VAE}.
     */
    public static final Component UPSCALER = new Component("upscaler", "vae");

    /**
     * A ControlNet, which a pipeline may have beside its checkpoint: see {@link PipelineBuilder#controlNet}. It computes where the transformer
     * does. What is not set for it is as for {@link #TRANSFORMER}.
     */
    public static final Component CONTROLNET = new Component("controlnet", "transformer");

    private static final List<Component> VALUES = List.of(TEXT_ENCODER, TRANSFORMER, VAE);

    /**
     * Checks the names.
     *
     * @throws IllegalArgumentException if one is not of small letters, digits and {@code _}
     */
    public Component {
        check("id", id);
        check("folder", folder);
    }

    private static void check(String what, String name) {
        if (!NAME.matcher(Given.value(name, what)).matches()) {
            throw new IllegalArgumentException(
                    "%s must be up to 64 small letters, digits and _, with a letter first, but was '%s'"
                            .formatted(what, ShownText.cut(name)));
        }
    }

    /** Returns the components that every picture needs, in the order in which a generation uses them. */
    public static List<Component> values() {
        return VALUES;
    }

    /** Returns the component's id. */
    @Override
    public String toString() {
        return id;
    }
}
