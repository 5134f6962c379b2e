package io.github.zimage;

/**
 * What happens to a prompt that has more tokens than the pipeline accepts. One of more than 65,536 characters is refused in any
 * case, before its tokens are counted.
 */
public enum PromptOverflow {
    /** The request is refused; the message says how many tokens there were. The default. */
    ERROR,
    /**
     * The tokens beyond the limit are cut off, the closing words of the chat template with them, as diffusers does; a
     * warning is logged.
     */
    TRUNCATE
}
