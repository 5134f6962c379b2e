package io.github.zimage.internal.singlefile;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The files of a model, as a user names them.
 *
 * @param model a folder in the layout of diffusers, or a file that holds the transformer
 * @param textEncoder where the text encoder lies, a file or folder; null if that is not said
 * @param vae where the VAE lies; null if that is not said
 * @param tokenizer a {@code tokenizer.json} or a folder with one; null if that is not said
 * @param variant the variant of the weights' files in folders, such as {@code bf16}, or null
 */
public record ModelFiles(
        Path model,
        @Nullable Path textEncoder,
        @Nullable Path vae,
        @Nullable Path tokenizer,
        @Nullable String variant) {

    /** Returns a model of which nothing else is said. */
    public static ModelFiles of(Path model, @Nullable String variant) {
        return new ModelFiles(model, null, null, null, variant);
    }

    /** Returns the same with a text encoder. */
    public ModelFiles withTextEncoder(@Nullable Path other) {
        return new ModelFiles(model, other, vae, tokenizer, variant);
    }

    /** Returns the same with a VAE. */
    public ModelFiles withVae(@Nullable Path other) {
        return new ModelFiles(model, textEncoder, other, tokenizer, variant);
    }

    /** Returns the same with a tokenizer. */
    public ModelFiles withTokenizer(@Nullable Path other) {
        return new ModelFiles(model, textEncoder, vae, other, variant);
    }

    /** Returns the same with a variant of the weights' files. */
    public ModelFiles withVariant(@Nullable String other) {
        return new ModelFiles(model, textEncoder, vae, tokenizer, other);
    }

    /** Returns whether all parts are those of the model's own folder. */
    boolean isWhole() {
        return textEncoder == null && vae == null && tokenizer == null;
    }
}
