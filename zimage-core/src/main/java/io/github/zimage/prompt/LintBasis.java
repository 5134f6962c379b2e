package io.github.zimage.prompt;

/** What a lint rule, or an advice, rests on. */
public enum LintBasis {
    /** Follows from how the model or its text encoder is built, whatever the picture. */
    MODEL,
    /** Follows from grammar or spelling. That the model is sensitive to it is likely, not shown. */
    LANGUAGE,
    /** Reasoned advice that was not measured on the full model. */
    ADVICE,
    /** Passed on among users, without evidence known to us. Try it on your model before you rely on it. */
    FOLKLORE
}
