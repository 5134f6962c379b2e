package io.github.zimage.prompt;

import java.util.List;

/**
 * Knowledge of Chinese that needs dictionaries: where words begin and end, how they are read, which of them are idioms
 * or dialect.
 *
 * <p>{@code zimage-prompt-zh} has one; with it on the class path or the module path, {@link PromptLinter} finds it
 * through {@link java.util.ServiceLoader}. Implementations are thread-safe, and load their data at the first call, not
 * in the constructor.
 */
public interface ChineseAnalyzer {
    /** Returns the words of a text, punctuation included, that make up the text when joined. */
    List<String> words(String text);

    /**
     * Returns what is found in a text, with places that count from its beginning. Quoted characters have been replaced
     * by U+FFFC, so that nothing is found in them.
     */
    List<LintFinding> check(String text);
}
