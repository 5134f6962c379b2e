package io.github.zimage.serve;

import io.github.zimage.GenerationRequest;

/** How much work requests are, compared with each other. */
final class RequestCost {
    private static final int PIXELS_PER_TOKEN = 256;
    /** Tokens at which attention takes as long as the products. */
    private static final double BALANCE = 4096;
    /** Tokens at which attention multiplies as much as the products do. */
    private static final double EQUAL_MULTIPLICATIONS = 23_040;
    /** Tokens of a prompt of some sentences. */
    private static final double CAPTION = 64;

    private RequestCost() {}

    /** Returns the work of one step. Products grow with the number of tokens, attention with its square. */
    static double ofStep(GenerationRequest request) {
        double tokens = (double) request.width() * request.height() / PIXELS_PER_TOKEN;
        double evaluations = (double) request.evaluations() / request.steps();
        double passes = request.guidance() > 0 ? 2 * evaluations : evaluations;
        return tokens * (1 + tokens / BALANCE) * request.totalCount() * passes * avoiding(request, tokens);
    }

    /** Returns how much more guidance by attention makes of a step where it acts: one more caption, and attention twice. */
    private static double avoiding(GenerationRequest request, double tokens) {
        return request.nag().isOn() ? 1 + CAPTION / tokens + tokens / (tokens + EQUAL_MULTIPLICATIONS) : 1;
    }

    /** Returns the work of all steps. */
    static double of(GenerationRequest request) {
        return request.steps() * ofStep(request);
    }
}
