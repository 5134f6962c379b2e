package io.github.zimage;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.pipeline.OpenModel;
import io.github.zimage.internal.singlefile.ModelFiles;
import io.github.zimage.internal.tuning.ModelKey;
import io.github.zimage.placement.MemoryPlan;
import java.nio.file.Path;
import java.util.List;

/**
 * A checkpoint, opened and checked once: what it is, what it needs, what its tokenizer counts, and pipelines of it.
 *
 * <pre>{@code
 * try (ZImageModel model = ZImageModel.open(Path.of("Z-Image-Turbo"))) {
 *     System.out.println(model.info());
 *     model.check(request);
 *     try (ZImagePipeline pipeline = model.pipeline().precision(Precision.INT8).build()) {
 *         pipeline.generate(request).save(Path.of("fox.png"));
 *     }
 * }
 * }</pre>
 *
 * <p>It holds the headers of the files, on the Java heap, and from its first use on the tokenizer, some hundred megabytes of native
 * memory for the full model, which its pipelines share. Weights are read by pipelines only. A pipeline is not built of files that
 * were changed or replaced after they were opened: a {@link ModelLoadException} says which, and the model has to be opened again.
 * Thread-safe.
 */
public final class ZImageModel implements AutoCloseable {
    private final OpenModel model;

    private ZImageModel(OpenModel model) {
        this.model = model;
    }

    OpenModel opened() {
        return model;
    }

    /**
     * Opens a checkpoint: reads its configurations and the headers of its weights' files, and checks that every weight is there in the
     * right shape. Reads no weights, and needs no native libraries.
     *
     * @param model a folder in the layout of diffusers, the one that holds {@code model_index.json}, or a file with the transformer; see
     *     {@link Files}
     * @throws ModelLoadException if anything is missing, damaged or not supported
     */
    public static ZImageModel open(Path model) {
        return Files.of(model).open();
    }

    /**
     * As {@link #open(Path)}, for weight files of a variant, where there are any.
     *
     * @param variant such as {@code bf16} for {@code model.bf16.safetensors}
     * @throws IllegalArgumentException if the variant cannot be part of a file's name
     */
    public static ZImageModel open(Path model, String variant) {
        return Files.of(model).variant(variant).open();
    }

    /**
     * The files of a model. It is a folder in the layout of diffusers, or a single file (safetensors, GGUF) with the transformer in it,
     * under the names of diffusers or those of the original program and of ComfyUI, maybe with text encoder and VAE. What a file holds is
     * told by its tensors, not by its name. Parts that are neither in it nor named are looked for beside it, as ComfyUI lays files out and
     * in a diffusers folder that it lies in, then in the caches of Hugging Face and ModelScope. What no file says of a configuration is
     * taken from the tensors' shapes or assumed to be Z-Image-Turbo's; {@link ModelInfo#notes} says so. Immutable.
     */
    public static final class Files {
        private final ModelFiles files;

        private Files(ModelFiles files) {
            this.files = files;
        }

        /** Returns a model of which only the folder, or the file with the transformer, is named. */
        public static Files of(Path model) {
            return new Files(ModelFiles.of(Given.value(model, "model"), null));
        }

        /** Returns the same with the text encoder in a file, in its folder or in a checkpoint's. */
        public Files textEncoder(Path place) {
            return new Files(files.withTextEncoder(Given.value(place, "textEncoder")));
        }

        /** Returns the same with the VAE in a file, in its folder or in a checkpoint's. */
        public Files vae(Path place) {
            return new Files(files.withVae(Given.value(place, "vae")));
        }

        /** Returns the same with the tokenizer in a {@code tokenizer.json}, or a folder with one. */
        public Files tokenizer(Path place) {
            return new Files(files.withTokenizer(Given.value(place, "tokenizer")));
        }

        /** Returns the same with a variant of the weights' files, such as {@code bf16}, preferred in folders. */
        public Files variant(String variant) {
            return new Files(files.withVariant(Given.value(variant, "variant")));
        }

        /**
         * Opens them, as {@link ZImageModel#open(Path)} does.
         *
         * @throws ModelLoadException if anything is missing, damaged or not supported; of parts that were looked for the message says where
         * @throws IllegalArgumentException if the variant cannot be part of a file's name
         */
        public ZImageModel open() {
            return new ZImageModel(OpenModel.open(files));
        }
    }

    /** Returns what the checkpoint holds. */
    public ModelInfo info() {
        return ModelInfo.of(model.checkpoint());
    }

    /**
     * Returns what stands for the model in a {@link io.github.zimage.tuning.Profile}: the same for folders whose tensors have the same names and shapes, whatever
     * the numbers in them.
     */
    public String profileKey() {
        return ModelKey.of(model.checkpoint());
    }

    /**
     * Counts a prompt's tokens, those of the chat template among them. Loads the tokenizer the first time, but neither weights nor
     * LibTorch.
     *
     * @throws IllegalArgumentException if the prompt has more than 65,536 characters
     * @throws ModelLoadException if the tokenizer is damaged or of another kind
     * @throws NativeLibraryException if the tokenizer's native library cannot be loaded
     * @throws IllegalStateException if the model is closed
     */
    public int countTokens(String prompt) {
        return model.tokens().count(Given.value(prompt, "prompt"));
    }

    /**
     * Returns a builder of pipelines with the defaults, to be changed. Whatever it makes uses what is open here. Its pipelines can
     * outlive the model: what they need stays until they are closed, too.
     */
    public PipelineBuilder pipeline() {
        return new PipelineBuilder().model(this);
    }

    /**
     * Checks a request against the model, as {@link PipelineBuilder#check} does with the defaults.
     *
     * @throws IllegalArgumentException if the request does not suit the model; the message says why
     * @throws IllegalStateException if the model is closed
     */
    public void check(GenerationRequest request) {
        pipeline().check(request);
    }

    /**
     * Returns the plan by which a pipeline with the defaults would be loaded for requests of a size; {@link PipelineBuilder#plan} tells
     * of others.
     *
     * @param largest the request that needs the most memory
     * @throws IllegalStateException if the model is closed
     */
    public MemoryPlan plan(GenerationRequest largest) {
        return pipeline().planFor(largest).plan();
    }

    /**
     * Converts the weights that are not stored in a precision, and keeps them where pipelines look for them; {@link
     * PipelineBuilder#convert} has the choice. Blocks meanwhile.
     *
     * @return the files with converted weights, none if all weights can be used as they are stored
     * @throws ZImageException if the weights cannot be converted, such as for want of room
     * @throws GenerationCancelledException if the calling thread is interrupted
     * @throws IllegalStateException if the model is closed
     */
    public List<Path> convert(Precision precision) {
        return pipeline().precision(precision).convert();
    }

    /** Frees the tokenizer, as soon as no pipeline needs it. Further calls do nothing. */
    @Override
    public void close() {
        model.close();
    }

    /** Returns the model's name. */
    @Override
    public String toString() {
        return model.checkpoint().name();
    }
}
