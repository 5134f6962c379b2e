package io.github.zimage.prompt;

import java.util.List;

/**
 * What {@link PromptLinter} found in a prompt.
 *
 * @param prompt the prompt as it was given
 * @param findings what was found, in the order of the text
 * @param fixed the prompt with the fixes applied, again and again until it no longer changes, at most ten times, fewer in
 *     prompts of thousands of characters; what stands in quotation marks is as it was
 */
public record PromptLint(String prompt, List<LintFinding> findings, String fixed) {
    /** Copies the list. */
    public PromptLint {
        findings = List.copyOf(findings);
    }
}
