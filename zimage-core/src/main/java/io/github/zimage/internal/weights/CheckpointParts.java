package io.github.zimage.internal.weights;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.io.ModelFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * What a checkpoint is put together of, whatever files it lies in.
 *
 * @param place the folder or file that stands for the model, absolute
 * @param name the model's name, as it can be shown
 * @param classNames the class that each component has in Python
 * @param transformer the transformer's configuration
 * @param textEncoder the text encoder's configuration
 * @param vae the VAE's configuration
 * @param scheduler the scheduler's configuration
 * @param tokenizer the tokenizer's file
 * @param files where everything lies that the files of a component hold
 * @param notes what was assumed since no file says it, a sentence each
 */
public record CheckpointParts(
        Path place,
        String name,
        Map<Component, String> classNames,
        TransformerConfig transformer,
        TextEncoderConfig textEncoder,
        VaeConfig vae,
        SchedulerConfig scheduler,
        Path tokenizer,
        Map<Component, WeightIndex> files,
        List<String> notes) {
    /** Native code reads the file whole, and ends the JVM where memory does not suffice. */
    private static final long MAX_TOKENIZER_BYTES = 100_000_000;

    /** Creates parts; the collections are copied. */
    public CheckpointParts {
        classNames = Map.copyOf(classNames);
        files = Map.copyOf(files);
        notes = List.copyOf(notes);
    }

    /** Refuses parts that do not fit together, in the words of the transformer's configuration. */
    static void requireMatch(TransformerConfig transformer, TextEncoderConfig textEncoder, VaeConfig vae, String name) {
        if (transformer.capFeatDim() != textEncoder.hiddenSize()) {
            throw new ModelLoadException(name + ": cap_feat_dim must be the text encoder's hidden_size = "
                    + textEncoder.hiddenSize() + ", but was " + transformer.capFeatDim());
        }
        if (transformer.inChannels() != vae.latentChannels()) {
            throw new ModelLoadException(name + ": in_channels must be the VAE's latent_channels = "
                    + vae.latentChannels() + ", but was " + transformer.inChannels());
        }
    }

    /** Refuses a tokenizer's file that is missing, or too large to be one. */
    static void requireTokenizer(Path tokenizer) {
        if (Files.exists(tokenizer)) {
            long size = ModelFile.size(tokenizer);
            if (size > MAX_TOKENIZER_BYTES) {
                throw new ModelLoadException(ModelFile.name(tokenizer) + ": a tokenizer must have at most "
                        + MAX_TOKENIZER_BYTES + " bytes, but this has " + size);
            }
        } else if (Files.isSymbolicLink(tokenizer)) {
            throw ModelFile.missing(tokenizer);
        } else if (Files.exists(tokenizer.resolveSibling("vocab.json"))) {
            throw new ModelLoadException(ModelFile.name(tokenizer)
                    + ": the file is missing and vocab.json is not enough: make it with AutoTokenizer.save_pretrained");
        } else {
            throw new ModelLoadException(ModelFile.name(tokenizer) + ": the file is missing");
        }
    }
}
