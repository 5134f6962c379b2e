package io.github.zimage.spring;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.image.ImageOptions;

/**
 * Options of Z-Image for Spring AI. What is not set is that of the application: {@code zimage.size} and {@code zimage.steps}, and the
 * defaults of {@link io.github.zimage.GenerationRequest}. A mutable builder of itself; not safe for use by several threads.
 */
public final class ZImageOptions implements ImageOptions {
    private @Nullable Integer n;
    private @Nullable String size;
    private @Nullable Integer width;
    private @Nullable Integer height;
    private @Nullable Integer steps;
    private @Nullable Long seed;
    private @Nullable Double guidance;
    private @Nullable String negativePrompt;
    private @Nullable Double strength;

    private ZImageOptions() {}

    /** Returns options that set nothing. */
    public static ZImageOptions create() {
        return new ZImageOptions();
    }

    /** Sets how many images, at least 1. */
    @CanIgnoreReturnValue
    public ZImageOptions n(int n) {
        this.n = n;
        return this;
    }

    /** Sets width and height in pixels, multiples of 16. */
    @CanIgnoreReturnValue
    public ZImageOptions size(int width, int height) {
        this.width = width;
        this.height = height;
        return this;
    }

    /** Sets a size such as {@code 768}, {@code 1024x768} or {@code 16:9@1024}. */
    @CanIgnoreReturnValue
    public ZImageOptions size(String size) {
        this.size = size;
        return this;
    }

    /** Sets the steps. */
    @CanIgnoreReturnValue
    public ZImageOptions steps(int steps) {
        this.steps = steps;
        return this;
    }

    /** Sets the seed of the first image; -1 is a random one. */
    @CanIgnoreReturnValue
    public ZImageOptions seed(long seed) {
        this.seed = seed;
        return this;
    }

    /** Sets the guidance, 0 for none. */
    @CanIgnoreReturnValue
    public ZImageOptions guidance(double guidance) {
        this.guidance = guidance;
        return this;
    }

    /** Sets the negative prompt. */
    @CanIgnoreReturnValue
    public ZImageOptions negativePrompt(String negativePrompt) {
        this.negativePrompt = negativePrompt;
        return this;
    }

    /** Sets how far a prompt that brings an image goes from it, above 0 and at most 1. */
    @CanIgnoreReturnValue
    public ZImageOptions strength(double strength) {
        this.strength = strength;
        return this;
    }

    @Override
    public @Nullable Integer getN() {
        return n;
    }

    /** Returns null: the application has one model. */
    @Override
    public @Nullable String getModel() {
        return null;
    }

    @Override
    public @Nullable Integer getWidth() {
        return width;
    }

    @Override
    public @Nullable Integer getHeight() {
        return height;
    }

    /** Returns {@code b64_json}, the only form there is. */
    @Override
    public String getResponseFormat() {
        return "b64_json";
    }

    /** Returns null: there are no styles. */
    @Override
    public @Nullable String getStyle() {
        return null;
    }

    @Nullable
    String size() {
        return size;
    }

    @Nullable
    Integer steps() {
        return steps;
    }

    @Nullable
    Long seed() {
        return seed;
    }

    @Nullable
    Double guidance() {
        return guidance;
    }

    @Nullable
    String negativePrompt() {
        return negativePrompt;
    }

    @Nullable
    Double strength() {
        return strength;
    }
}
