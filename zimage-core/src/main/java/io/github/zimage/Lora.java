package io.github.zimage;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.lora.LoraFile;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A LoRA at a weight: a small file that changes what the model draws, its style or the objects that it knows.
 *
 * <pre>{@code
 * GenerationRequest.builder()
 *         .prompt("a red fox in the snow")
 *         .lora(Lora.of(Path.of("pixel-art.safetensors")).weight(0.8))
 *         .build();
 * }</pre>
 *
 * <p>Files of all programs are read: LoRA, LoHa, LoKr, DoRA, differences of weights, biases and norms, for the transformer and the text encoder.
 * What of a file is applied, {@link #report} says. The model's weights stay as they are: what a LoRA adds is computed beside them, so that each request
 * can have others without anything being loaded anew but these small files. Immutable.
 */
public final class Lora {
    /** The largest weight, and as a negative number the smallest. */
    public static final double MAX_WEIGHT = 100;

    private static final int MAX_NAME = 200;
    private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern FORBIDDEN = Pattern.compile("[/\\\\\\p{Cntrl}]");

    private final @Nullable Path file;
    private final String name;
    private final double weight;
    private final Map<String, Double> blockWeights;
    private final Prompts prompts;
    private final boolean strict;
    private final @Nullable String sha256;

    /** What a LoRA is for, where a request has {@linkplain GenerationRequest#guidance guidance}. */
    public enum Prompts {
        /** What pictures shall show, and what they shall not. */
        BOTH,
        /** What they shall show. */
        POSITIVE,
        /** What they shall not show. */
        NEGATIVE
    }

    private Lora(
            @Nullable Path file,
            String name,
            double weight,
            Map<String, Double> blockWeights,
            Prompts prompts,
            boolean strict,
            @Nullable String sha256) {
        this.file = file;
        this.name = name;
        this.weight = weight;
        this.blockWeights = blockWeights;
        this.prompts = prompts;
        this.strict = strict;
        this.sha256 = sha256;
    }

    /**
     * Returns the LoRA of a file, at weight 1. Nothing is read yet.
     *
     * @param file a safetensors file; its name without {@code .safetensors} is the LoRA's
     */
    public static Lora of(Path file) {
        Given.value(file, "file");
        return new Lora(file, LoraFile.name(file), 1, Map.of(), Prompts.BOTH, false, null);
    }

    /**
     * Returns the LoRA of a name, at weight 1, which a pipeline looks for in its {@linkplain PipelineBuilder#loraFolder folder}.
     *
     * @param name the file's name without {@code .safetensors}; never a path
     * @throws IllegalArgumentException if it is no name of a file
     */
    public static Lora named(String name) {
        Given.value(name, "name");
        if (name.isBlank()
                || name.length() > MAX_NAME
                || FORBIDDEN.matcher(name).find()
                || name.startsWith(".")) {
            throw new IllegalArgumentException(
                    "the name of a LoRA must be that of a file, up to %d characters and no path, but was '%s'"
                            .formatted(MAX_NAME, LoraFile.shown(name)));
        }
        return new Lora(null, name, 1, Map.of(), Prompts.BOTH, false, null);
    }

    /**
     * Returns the same at another weight.
     *
     * @param newWeight 1 as it was trained, 0 for nothing, negative for the opposite; up to {@value #MAX_WEIGHT}
     * @throws IllegalArgumentException if it is not
     */
    public Lora weight(double newWeight) {
        requireWeight(newWeight);
        return new Lora(file, name, newWeight, blockWeights, prompts, strict, sha256);
    }

    private static void requireWeight(double weight) {
        if (!(Math.abs(weight) <= MAX_WEIGHT)) {
            throw new IllegalArgumentException("the weight of a LoRA must be between -%1$s and %1$s, but was %2$s"
                    .formatted((int) MAX_WEIGHT, weight));
        }
    }

    /**
     * Returns the same with weights for parts of the model, by which {@link #weight()} is multiplied there.
     *
     * @param factors by the name of a module of the checkpoint, or the beginning of one up to a dot: {@code layers.7}, {@code noise_refiner},
     *     {@code layers.3.attention}; the longest one that fits counts
     * @throws IllegalArgumentException if a factor is out of range
     */
    public Lora blockWeights(Map<String, Double> factors) {
        Map<String, Double> copy = new LinkedHashMap<>(Given.value(factors, "blockWeights"));
        copy.forEach((part, factor) -> {
            Given.value(part, "part");
            requireWeight(Given.value(factor, "factor"));
        });
        return new Lora(file, name, weight, Map.copyOf(copy), prompts, strict, sha256);
    }

    /** Returns the same for other prompts; unless said otherwise a LoRA is for {@linkplain Prompts#BOTH both}. */
    public Lora prompts(Prompts which) {
        return new Lora(file, name, weight, blockWeights, Given.value(which, "prompts"), strict, sha256);
    }

    /** Returns the same, to be refused if not all that the file holds can be applied; otherwise that is logged as a warning. */
    public Lora strict() {
        return new Lora(file, name, weight, blockWeights, prompts, true, sha256);
    }

    /**
     * Returns the same, to be refused if the file is another.
     *
     * @param digest SHA-256 of the file, 64 hexadecimal digits
     * @throws IllegalArgumentException if it is not
     */
    public Lora sha256(String digest) {
        if (!DIGEST.matcher(Given.value(digest, "sha256")).matches()) {
            throw new IllegalArgumentException(
                    "sha256 must be 64 small hexadecimal digits, but was '%s'".formatted(LoraFile.shown(digest)));
        }
        return new Lora(file, name, weight, blockWeights, prompts, strict, digest);
    }

    /** Returns the file; {@code null} if only the name is known. */
    public @Nullable Path file() {
        return file;
    }

    /** Returns the name. */
    public String name() {
        return name;
    }

    /** Returns the weight. */
    public double weight() {
        return weight;
    }

    /** Returns what the weight is multiplied by in parts of the model. */
    public Map<String, Double> blockWeights() {
        return blockWeights;
    }

    /** Returns which prompts it is for. */
    public Prompts prompts() {
        return prompts;
    }

    /** Returns whether it is refused if not all of it can be applied. */
    public boolean isStrict() {
        return strict;
    }

    /** Returns the digest that the file must have; {@code null} if it may be any. Pictures say that of the file they were drawn with. */
    public @Nullable String sha256() {
        return sha256;
    }

    /**
     * Returns what the file holds and, by the names of its modules alone, what of it can be applied: whether its widths fit, only a model can say. Reads the
     * file's header.
     *
     * @throws IllegalStateException if only the name is known
     * @throws ModelLoadException if the file is missing, damaged, or no LoRA of Z-Image
     */
    public LoraReport report() {
        if (file == null) {
            throw new IllegalStateException("the file of LoRA '%s' is not known here".formatted(name));
        }
        return LoraFile.report(file);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Lora that
                && Objects.equals(file, that.file)
                && name.equals(that.name)
                && weight == that.weight
                && blockWeights.equals(that.blockWeights)
                && prompts == that.prompts
                && strict == that.strict
                && Objects.equals(sha256, that.sha256);
    }

    @Override
    public int hashCode() {
        return Objects.hash(file, name, weight, blockWeights, prompts, strict, sha256);
    }

    /** Returns name and weight, such as {@code pixel-art=0.8}. */
    @Override
    public String toString() {
        return name + "=" + weight;
    }
}
