package io.github.zimage;

import java.util.List;

/** Says that a prompt has more tokens than a pipeline takes; see {@link PipelineBuilder#maxPromptTokens} and {@link PipelineBuilder#truncatePrompts}. */
public final class PromptTooLongException extends InvalidRequestException {
    private static final long serialVersionUID = 1L;

    private final int tokens;
    private final int limit;

    /**
     * Creates an exception.
     *
     * @param field the name of the value, as in {@link #fields}
     * @param tokens how many tokens it has, those of the chat template among them
     * @param limit how many it may have
     */
    public PromptTooLongException(String field, int tokens, int limit) {
        super(
                List.of(field),
                ("%s must have at most %d tokens, but has %d (with those of the chat template): shorten it, raise the"
                                + " limit, or ask for it to be cut off")
                        .formatted(field, limit, tokens));
        this.tokens = tokens;
        this.limit = limit;
    }

    /** Returns how many tokens the prompt has, those of the chat template among them. */
    public int tokens() {
        return tokens;
    }

    /** Returns how many tokens it may have. */
    public int limit() {
        return limit;
    }
}
