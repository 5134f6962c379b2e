package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What to draw, in words. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PromptOptions {
    @Parameters(
            arity = "0..*",
            paramLabel = "PROMPT",
            description =
                    "What to draw; - reads it from the standard input and @FILE from a file, in UTF-8. Words without"
                            + " quotes are joined.")
    private List<String> words = List.of();

    @Option(
            names = {"-p", "--prompt"},
            paramLabel = "TEXT",
            description = "What to draw, in place of PROMPT: for one that begins with a hyphen, as --prompt=TEXT.")
    private @Nullable String prompt;

    @Option(
            names = "--lint",
            paramLabel = "MODE",
            defaultValue = "off",
            description = "warn says what 'zimage prompt lint' finds in the prompt, fix draws it with the fixes applied"
                    + ", off does not look (default: ${DEFAULT-VALUE}).")
    private Lint lint;

    @Option(
            names = "--negative",
            paramLabel = "TEXT",
            description = "What not to draw. Acts only with --guidance above 0 or --nag-scale above 1.")
    private @Nullable String negative;

    @Option(
            names = "--max-prompt-tokens",
            paramLabel = "N",
            defaultValue = "512",
            description = "Longest prompt in tokens, template included (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(names = "--truncate-prompt", description = "Cut off a prompt that is too long, instead of refusing it.")
    private boolean truncate;

    private enum Lint {
        OFF,
        WARN,
        FIX
    }

    /**
     * Returns the prompt as it was given.
     *
     * @param usual the one where none is given, if there is one
     */
    String prompt(@Nullable String usual) {
        String joined = words.isEmpty() ? null : String.join(" ", words);
        if (joined != null && prompt != null) {
            throw new IllegalArgumentException(
                    "give one prompt, but there were '%s' and --prompt '%s'".formatted(joined, prompt));
        }
        String given = joined == null ? prompt : joined;
        if (given == null && usual != null) {
            return usual;
        }
        if (given == null) {
            throw new IllegalArgumentException("nothing to draw: give a prompt, as in zimage generate \"a red fox\"");
        }
        String text = PromptText.of(given);
        if (text.isBlank()) {
            throw new IllegalArgumentException("nothing to draw: the prompt is empty");
        }
        return text;
    }

    @Nullable
    String negative() {
        return negative == null ? null : PromptText.of(negative);
    }

    void apply(PipelineBuilder builder) {
        builder.maxPromptTokens(maxTokens).truncatePrompts(truncate);
    }

    /**
     * Returns the prompt to draw, and says what was found in it and in the settings that go with it.
     *
     * @param guidance as in a request
     * @param nagScale as in a request
     */
    String lint(String given, double guidance, double nagScale, ToIntFunction<String> tokens, PrintWriter err) {
        if (lint == Lint.OFF) {
            return given;
        }
        PromptLinter linter =
                PromptLinter.builder().tokens(tokens).tokenLimit(maxTokens).build();
        PromptLint linted = linter.lint(given, negative, guidance, nagScale);
        for (LintFinding finding : linted.findings()) {
            err.println("zimage: " + ShownText.joined(finding.code() + ": " + finding.message(Locale.ENGLISH)));
        }
        if (lint == Lint.WARN || linted.fixed().equals(given)) {
            return given;
        }
        err.println("zimage: drawn is: " + ShownText.joined(linted.fixed()));
        return linted.fixed();
    }
}
