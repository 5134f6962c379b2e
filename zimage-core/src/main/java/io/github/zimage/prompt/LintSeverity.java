package io.github.zimage.prompt;

/** How much a {@link LintFinding} matters. */
public enum LintSeverity {
    /** A matter of taste or of habit; the picture may well be right. */
    INFO,
    /** Part of the prompt will probably not do what its author expects. */
    WARNING,
    /** The prompt cannot be used as it stands. */
    ERROR
}
