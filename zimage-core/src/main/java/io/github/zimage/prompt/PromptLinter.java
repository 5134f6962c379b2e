package io.github.zimage.prompt;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Reads prompts and says what in them this model does not read, contradicts itself, or is a waste of words.
 *
 * <pre>{@code
 * PromptLint lint = PromptLinter.create().lint("a girl, (smiling:1.2), masterpiece, best quality, 8k");
 * lint.findings().forEach(finding -> System.out.println(finding.message(Locale.ENGLISH)));
 * lint.fixed(); // a girl, smiling
 * }</pre>
 *
 * <p>English and Chinese are read, and {@link BilingualPrompt}s half by half. Some rules for Chinese need dictionaries:
 * see {@link ChineseAnalyzer}. The rules are listed in {@link LintCode}.
 *
 * <p>Immutable and thread-safe.
 */
public final class PromptLinter {
    /** Longer prompts are not read, neither here nor by a pipeline: far more than any limit of tokens lets through. */
    public static final int MAX_CHARACTERS = PromptText.MAX_CHARACTERS;

    private static final int FIX_ROUNDS = 10;

    /** Fixes of long prompts take fewer rounds, so that the rounds together read no more than this. */
    private static final int FIX_CHARACTERS = 24_000;

    private static final Comparator<LintFinding> ORDER =
            Comparator.comparingInt(LintFinding::start).thenComparing(LintFinding::code);

    private final Set<LintCode> codes;
    private final @Nullable ToIntFunction<String> tokenCounter;
    private final int tokenLimit;
    private final @Nullable ChineseAnalyzer chinese;

    private PromptLinter(Builder builder) {
        codes = EnumSet.copyOf(builder.codes);
        tokenCounter = builder.tokenCounter;
        tokenLimit = builder.tokenLimit;
        chinese = builder.chinese;
    }

    /** Returns a linter with the defaults of {@link #builder()}. */
    public static PromptLinter create() {
        return builder().build();
    }

    /** Returns a builder: all rules, the {@link ChineseAnalyzer} that is found, if any, and no tokenizer. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Reads a prompt. Any text will do; none makes it throw. Takes time in proportion to the length of the text, whatever
     * the text is. One of more than {@link #MAX_CHARACTERS} is not read: all that is found is {@link LintCode#TOO_LONG}.
     */
    public PromptLint lint(String prompt) {
        if (prompt.length() > MAX_CHARACTERS) {
            return new PromptLint(prompt, tooManyCharacters(prompt), prompt);
        }
        List<LintFinding> left = findings(prompt);
        List<LintFinding> findings = new ArrayList<>(left);
        if (codes.contains(LintCode.TOO_LONG)) { // once: no fix depends on it, and the counter may be slow
            length(prompt).ifPresent(findings::add);
            findings.sort(ORDER);
        }
        return new PromptLint(prompt, findings, fixed(prompt, left));
    }

    /** Applies fixes until nothing changes, or what was changed has been read often enough. */
    private String fixed(String prompt, List<LintFinding> findings) {
        String fixed = prompt;
        Set<String> seen = new HashSet<>(Set.of(prompt));
        List<LintFinding> left = findings;
        int read = prompt.length();
        for (int round = 0; round < FIX_ROUNDS; round++) {
            String next = applied(fixed, left);
            if (!seen.add(next)) {
                break;
            }
            fixed = next;
            read += next.length();
            if (read > FIX_CHARACTERS) {
                break;
            }
            left = findings(next);
        }
        return fixed;
    }

    /**
     * Reads a prompt together with the settings that go with it on the Turbo model. What is found in the settings comes
     * first and has the empty place before the prompt.
     *
     * @param negativePrompt the negative prompt, null or blank for none
     * @param guidance as in a request: 0 is off
     */
    public PromptLint lint(String prompt, @Nullable String negativePrompt, double guidance) {
        return lint(prompt, negativePrompt, guidance, 1);
    }

    /**
     * As the other one, with guidance by attention, with which a negative prompt acts on the Turbo model.
     *
     * @param nagScale as in a request: 1 is off
     */
    public PromptLint lint(String prompt, @Nullable String negativePrompt, double guidance, double nagScale) {
        List<LintFinding> findings = new ArrayList<>();
        if (guidance > 0) {
            add(findings, LintCode.GUIDANCE_ON_TURBO, Double.toString(guidance));
        } else if (nagScale <= 1 && negativePrompt != null && !negativePrompt.isBlank()) {
            add(findings, LintCode.NEGATIVE_PROMPT);
        }
        PromptLint lint = lint(prompt);
        findings.addAll(lint.findings());
        return new PromptLint(prompt, findings, lint.fixed());
    }

    private void add(List<LintFinding> findings, LintCode code, String... arguments) {
        if (codes.contains(code)) {
            findings.add(new LintFinding(code, 0, 0, null, List.of(arguments)));
        }
    }

    private List<LintFinding> findings(String prompt) {
        String masked = Quotes.masked(prompt);
        List<LintFinding> found = new ArrayList<>();
        int[] halves = BilingualPrompt.halves(masked);
        if (halves.length == 0) {
            check(masked, 0, masked.length(), found);
        } else {
            check(masked, 0, halves[0], found);
            check(masked, halves[1], masked.length(), found);
            found.addAll(BilingualRule.check(prompt, masked, halves));
        }
        found.removeIf(finding -> !codes.contains(finding.code()));
        found.sort(ORDER);
        int textStart = prompt.length() - prompt.stripLeading().length();
        int textEnd = prompt.stripTrailing().length();
        found.replaceAll(finding -> changesQuotedText(finding, masked) || erases(finding, textStart, textEnd)
                ? finding.withoutReplacement()
                : finding);
        return found;
    }

    private void check(String masked, int start, int end, List<LintFinding> found) {
        String part = masked.substring(start, end);
        PromptRules.check(part).forEach(finding -> found.add(finding.shifted(start)));
        if (chinese != null && PromptLanguage.hasHan(part)) {
            chinese.check(part).forEach(finding -> found.add(finding.shifted(start)));
        }
    }

    private Optional<LintFinding> length(String prompt) {
        boolean counted = tokenCounter != null;
        int tokens = tokenCounter != null ? tokenCounter.applyAsInt(prompt) : PromptWords.estimatedTokens(prompt);
        if (tokens <= tokenLimit) {
            return Optional.empty();
        }
        List<String> arguments = new ArrayList<>(List.of(Integer.toString(tokens), Integer.toString(tokenLimit)));
        if (!counted) {
            arguments.add("estimated");
        }
        return Optional.of(new LintFinding(LintCode.TOO_LONG, 0, prompt.length(), null, arguments));
    }

    private List<LintFinding> tooManyCharacters(String prompt) {
        List<String> arguments =
                List.of(Integer.toString(prompt.length()), Integer.toString(MAX_CHARACTERS), LintFinding.IN_CHARACTERS);
        return codes.contains(LintCode.TOO_LONG)
                ? List.of(new LintFinding(LintCode.TOO_LONG, 0, prompt.length(), null, arguments))
                : List.of();
    }

    private static boolean changesQuotedText(LintFinding finding, String masked) {
        return finding.replacement() != null
                && masked.substring(finding.start(), finding.end()).indexOf(Quotes.MASK) >= 0;
    }

    private static boolean erases(LintFinding finding, int textStart, int textEnd) {
        String replacement = finding.replacement();
        return replacement != null && replacement.isBlank() && finding.start() <= textStart && finding.end() >= textEnd;
    }

    /** Applies what can be applied without changing what is quoted. */
    private static String applied(String prompt, List<LintFinding> findings) {
        Set<String> quoted = new HashSet<>(Quotes.contents(prompt));
        String fixed = replaced(prompt, findings);
        if (!new HashSet<>(Quotes.contents(fixed))
                .containsAll(quoted)) { // new quotation marks have paired with a stray one
            fixed = replaced(
                    prompt,
                    findings.stream()
                            .filter(finding -> finding.code() != LintCode.UNQUOTED_TEXT)
                            .toList());
        }
        return fixed.isBlank() || !new HashSet<>(Quotes.contents(fixed)).containsAll(quoted) ? prompt : fixed;
    }

    private static String replaced(String prompt, List<LintFinding> findings) {
        StringBuilder result = new StringBuilder();
        int done = 0;
        for (LintFinding finding : findings) {
            String replacement = finding.replacement();
            if (replacement != null && finding.start() >= done) {
                result.append(prompt, done, finding.start()).append(replacement);
                done = finding.end();
            }
        }
        return result.append(prompt, done, prompt.length()).toString();
    }

    /** Chooses the rules and what they know. Not thread-safe. */
    public static final class Builder {
        private Set<LintCode> codes = EnumSet.allOf(LintCode.class);
        private @Nullable ToIntFunction<String> tokenCounter;
        private int tokenLimit = 512;
        private @Nullable ChineseAnalyzer chinese =
                ServiceLoader.load(ChineseAnalyzer.class).findFirst().orElse(null);

        private Builder() {}

        /** Leaves out some rules. */
        @CanIgnoreReturnValue
        public Builder without(LintCode... left) {
            codes.removeAll(Arrays.asList(left));
            return this;
        }

        /** Checks these rules and no others. Default: all. */
        @CanIgnoreReturnValue
        public Builder only(Collection<LintCode> rules) {
            codes = EnumSet.noneOf(LintCode.class);
            codes.addAll(rules);
            return this;
        }

        /**
         * Counts tokens with the model's tokenizer, chat template included. It is asked once for each prompt that is read.
         * Default: an estimate.
         *
         * @param counter thread-safe, takes any text
         */
        @CanIgnoreReturnValue
        public Builder tokens(ToIntFunction<String> counter) {
            tokenCounter = counter;
            return this;
        }

        /**
         * Sets how many tokens the text encoder takes. Default: 512, as the pipeline.
         *
         * @throws IllegalArgumentException if it is not positive
         */
        @CanIgnoreReturnValue
        public Builder tokenLimit(int limit) {
            if (limit < 1) {
                throw new IllegalArgumentException("tokenLimit must be at least 1, but was " + limit);
            }
            tokenLimit = limit;
            return this;
        }

        /** Uses an analyzer instead of the one that is found; null for none. */
        @CanIgnoreReturnValue
        public Builder chinese(@Nullable ChineseAnalyzer analyzer) {
            chinese = analyzer;
            return this;
        }

        /** Returns the linter. */
        public PromptLinter build() {
            return new PromptLinter(this);
        }
    }
}
